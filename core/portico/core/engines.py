"""Which parameter of which engine carries a setting, and what an engine cannot do.

One table, read by three: the launchers (what to pass), the settings' cross-field check
(``engine-cannot`` and ``no-effect`` warnings) and ``config explain`` (``maps to``). A setting that
is not in the table is carried out by Portico itself, in the same way on every engine.

Measured on Hypercorn 0.18.0, Uvicorn 0.54.0 and Granian 2.8.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

EngineName = Literal["hypercorn", "uvicorn", "granian"]
GapCode = Literal["engine-cannot", "no-effect"]

ENGINES: Final[tuple[EngineName, ...]] = get_args(EngineName)

RUNTIMES: Final[Mapping[EngineName, Literal["trio", "asyncio"]]] = MappingProxyType(
    {"hypercorn": "trio", "uvicorn": "asyncio", "granian": "asyncio"}
)
"""What each engine runs the application on."""

HOST: Final = "host"
"""The cell of a setting that the Trio host around Hypercorn's protocols carries out itself."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What an engine does not do for one setting.

    Attributes:
        why: One sentence for the person who set it.
        code: The code of the warning.
        harmless: Values for which nothing is lost, so that no warning is due.
    """

    why: str
    code: GapCode = "engine-cannot"
    harmless: tuple[object, ...] = (None,)


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One setting on the three engines: a parameter's name, :data:`HOST`, or a :class:`Gap`."""

    hypercorn: str | Gap
    uvicorn: str | Gap
    granian: str | Gap

    def cell(self, engine: EngineName) -> str | Gap:
        """Return what *engine* has for this row's setting."""
        cells = {"hypercorn": self.hypercorn, "uvicorn": self.uvicorn, "granian": self.granian}
        return cells[engine]


ENGINE_TABLE: Final = MappingProxyType(
    {
        "server.host": EngineRow("bind", "host", "address"),
        "server.port": EngineRow("bind", "port", "port"),
        "server.uds": EngineRow("bind", "uds", "uds"),
        "server.workers": EngineRow("workers", "workers", "workers"),
        "server.keep_alive": EngineRow(
            "keep_alive_timeout",
            "timeout_keep_alive",
            Gap(
                "granian switches keep-alive on or off only; idle connections close with "
                "server.header_timeout",
                harmless=(0.0,),
            ),
        ),
        "server.uvloop": EngineRow(
            Gap(
                "uvloop is a loop of asyncio; hypercorn runs on Trio",
                code="no-effect",
                harmless=(False,),
            ),
            "loop",
            "loop",
        ),
        "server.header_timeout": EngineRow(
            HOST,
            Gap("uvicorn does not bound the time in which a client sends a request's head"),
            "http1_settings.header_read_timeout",
        ),
        "server.write_timeout": EngineRow(
            HOST,
            Gap("uvicorn does not bound the time for which a client may stop reading"),
            Gap("granian does not bound the time for which a client may stop reading"),
        ),
        "server.grace": EngineRow(
            "graceful_timeout", "timeout_graceful_shutdown", "workers_kill_timeout"
        ),
        "server.max_connections": EngineRow(HOST, "limit_concurrency", "backpressure"),
        "server.backlog": EngineRow("backlog", "backlog", "backlog"),
        "server.max_requests": EngineRow(
            HOST,
            "limit_max_requests",
            Gap("granian replaces workers by age or memory, not by the requests they served"),
        ),
        "server.max_requests_jitter": EngineRow(
            HOST,
            "limit_max_requests_jitter",
            Gap(
                "granian replaces workers by age or memory, not by the requests they served",
                harmless=(0,),
            ),
        ),
        "server.max_memory": EngineRow(
            HOST, Gap("uvicorn does not replace workers by memory"), "workers_max_rss"
        ),
        "server.stall_limit": EngineRow(
            HOST,
            Gap("uvicorn asks a thread of the worker, which does not see a blocked loop"),
            Gap("granian does not watch its workers' loops"),
        ),
        "server.http2": EngineRow(
            "alpn_protocols", Gap("uvicorn speaks HTTP/1.1 only", harmless=(False,)), "http"
        ),
        "server.tls_cert": EngineRow("certfile", "ssl_certfile", "ssl_cert"),
        "server.tls_key": EngineRow("keyfile", "ssl_keyfile", "ssl_key"),
        "server.tls_key_password": EngineRow(
            "keyfile_password", "ssl_keyfile_password", "ssl_key_password"
        ),
        "server.tls_ca": EngineRow("ca_certs", "ssl_ca_certs", "ssl_ca"),
        "server.root_path": EngineRow("root_path", "root_path", "url_path_prefix"),
    }
)
"""Setting path to its row, in the order of the settings' table."""


def find_gap(path: str, engine: EngineName, value: object) -> Gap | None:
    """Say what is lost when *path* is set to *value* for *engine*; ask for set values only.

    Args:
        path: The setting, such as ``server.keep_alive``.
        engine: The engine that will run.
        value: The setting's typed value (durations in seconds, sizes in bytes).

    Returns:
        The gap whose ``code`` and ``why`` make the warning, or None when the engine does it.
    """
    row = ENGINE_TABLE.get(path)
    if row is None:
        return None
    cell = row.cell(engine)
    return cell if isinstance(cell, Gap) and value not in cell.harmless else None


def maps_to(path: str) -> str | None:
    """Name the parameters that carry *path*: ``hypercorn bind | uvicorn port | granian port``.

    Engines without one are left out; None means that Portico itself carries the setting out.
    """
    row = ENGINE_TABLE.get(path)
    if row is None:
        return None
    cells = ((engine, row.cell(engine)) for engine in ENGINES)
    return " | ".join(f"{engine} {cell}" for engine, cell in cells if isinstance(cell, str))
