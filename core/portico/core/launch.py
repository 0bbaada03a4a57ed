"""One neutral plan of what to run; each launcher maps it to its engine's parameters.

Source: design pages "Serving" (Engines) and "Engines: what each can do, measured".
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

from portico.core.engines import ENGINE_TABLE, EngineName, find_gap
from portico.core.faults import EXPOSURES
from portico.core.settings import Secret, Settings

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Parameter = Secret | None | bool | int | float | str | list["Parameter"] | dict[str, "Parameter"]


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """Paths of the certificate and its key, which stand or fall together.

    Attributes:
        cert: PEM file of the certificate and its chain.
        key: PEM file of the private key.
        password: What the key is encrypted with.
        ca: PEM file of the authorities whose client certificates are asked for.
    """

    cert: str
    key: str
    password: Secret | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What an engine is to do, in no engine's words. Picklable: workers are spawned with it.

    Attributes:
        engine: The engine that was chosen.
        host: Name or address, without brackets.
        port: 0 lets the system choose.
        uds: Path of a Unix socket, in place of host and port.
        workers: Processes that serve, at least 1.
        uvloop: Whether an asyncio engine runs on uvloop.
        keep_alive_s: Idle time before a connection closes.
        header_timeout_s: Time for a request's head.
        write_timeout_s: Time for which a client may keep a write from going on.
        drain_delay_s: Time from the signal to the listeners' closing.
        grace_s: Time for work in flight at shutdown.
        backlog: Connections that the kernel holds before they are accepted.
        max_connections: Open connections per worker.
        max_head_bytes: What the policy answers 431 above; engines leave it room to.
        max_target_bytes: What is answered 414 above.
        max_requests: Requests after which a worker is replaced.
        max_requests_jitter: Spread added to that, so that workers do not go together.
        max_memory_bytes: Resident memory above which a worker is replaced.
        stall_limit_s: Time for which a worker's event loop may be blocked.
        http2: Whether HTTP/2 is offered over TLS.
        tls: None serves plain HTTP.
        root_path: Prefix behind a proxy, without its last slash.
        asyncio_app: Whether the application knows asyncio only, so that Trio needs a bridge.
        asked: Every engine setting with its value, and whether somebody set it.
    """

    engine: EngineName
    host: str
    port: int
    uds: str | None
    workers: int
    uvloop: bool
    keep_alive_s: float
    header_timeout_s: float
    write_timeout_s: float
    drain_delay_s: float
    grace_s: float
    backlog: int
    max_connections: int
    max_head_bytes: int
    max_target_bytes: int
    max_requests: int | None
    max_requests_jitter: int
    max_memory_bytes: int | None
    stall_limit_s: float
    http2: bool
    tls: TlsPlan | None
    root_path: str
    asyncio_app: bool = False
    asked: tuple[tuple[str, object, bool], ...] = ()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        workers: int | None = None,
        engine: EngineName | None = None,
        asyncio_app: bool = False,
        chosen: Collection[str] = (),
    ) -> "LaunchPlan":
        """Take from *settings* what concerns the engine.

        Args:
            settings: Resolved settings, so that parts of groups come complete.
            workers: The planned count; without one, ``auto`` counts as 1.
            engine: In place of ``server.engine``.
            asyncio_app: Whether the application knows asyncio only.
            chosen: Paths that somebody set, above defaults and profiles.

        Returns:
            The plan.
        """
        server = settings.server
        return cls(
            engine=engine or server.engine,
            host=server.host,
            port=server.port,
            uds=server.uds,
            workers=workers or (1 if server.workers == "auto" else server.workers),
            uvloop=server.uvloop,
            keep_alive_s=server.keep_alive,
            header_timeout_s=server.header_timeout,
            write_timeout_s=server.write_timeout,
            drain_delay_s=server.drain_delay,
            grace_s=server.grace,
            backlog=server.backlog,
            max_connections=server.max_connections,
            max_head_bytes=server.max_head,
            max_target_bytes=server.max_target,
            max_requests=server.max_requests,
            max_requests_jitter=server.max_requests_jitter,
            max_memory_bytes=server.max_memory,
            stall_limit_s=server.stall_limit,
            http2=server.http2,
            tls=_tls(settings),
            root_path=(server.root_path or "").rstrip("/"),
            asyncio_app=asyncio_app,
            asked=_asked(settings, chosen),
        )

    def url(self, port: int | None = None) -> str:
        """Return where clients find it: ``http://[::1]:8283`` or ``unix:/run/portico.sock``.

        Args:
            port: The real one, where the system chose it.
        """
        if self.uds is not None:
            return f"unix:{self.uds}"
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.authority(port)}"

    def authority(self, port: int | None = None) -> str:
        """Return host and port, an IPv6 address in brackets (RFC 3986, 3.2.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port if port is None else port}"


LOCAL_CERTIFICATE: Final = "localhttps/cert.pem"
LOCAL_KEY: Final = "localhttps/key.pem"
"""Where under ``storage.dir`` a generated certificate for localhost and its key are kept."""


def _tls(settings: Settings) -> TlsPlan | None:
    server = settings.server
    if server.local_https:
        kept = settings.storage.dir.rstrip("/")
        return TlsPlan(f"{kept}/{LOCAL_CERTIFICATE}", f"{kept}/{LOCAL_KEY}")
    # Half a pair would be served as plain HTTP by two engines: it is no TLS here only because
    # `incomplete-group` has refused it before.
    if server.tls_cert is None or server.tls_key is None:
        return None
    return TlsPlan(server.tls_cert, server.tls_key, server.tls_key_password, server.tls_ca)


def _asked(settings: Settings, chosen: Collection[str]) -> tuple[tuple[str, object, bool], ...]:
    names = {f"server.{field.name}": field.name for field in fields(settings.server)}
    return tuple(
        (path, getattr(settings.server, names[path]), path in chosen)
        for path in ENGINE_TABLE
        if not isinstance(getattr(settings.server, names[path]), Secret)
    )


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A setting that an engine does not carry out.

    Attributes:
        setting: Its path.
        value: The value that has no effect.
        why: One sentence.
        asked: Whether somebody set it; otherwise it is a default or from a profile.
    """

    setting: str
    value: object
    why: str
    asked: bool


@dataclass(frozen=True, slots=True)
class EngineParameters:
    """A plan in one engine's words.

    Attributes:
        engine: Whose words.
        parameters: Every parameter of the engine, named as the engine names it.
        unsupported: Settings that this engine does not carry out.
        warnings: What else differs from what was asked, one sentence each.
    """

    engine: EngineName
    parameters: Mapping[str, Parameter]
    unsupported: tuple[Unsupported, ...] = ()
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Json]:
        """Return what ``portico plan --format json`` prints; secrets are masked."""
        rows: list[Json] = [
            {
                "setting": row.setting,
                "value": _json(row.value),
                "why": row.why,
                "asked": row.asked,
            }
            for row in self.unsupported
        ]
        return {
            "engine": self.engine,
            "parameters": {name: _json(value) for name, value in self.parameters.items()},
            "unsupported": rows,
            "warnings": list(self.warnings),
            "exposures": [{"fault": row.fault, "why": row.why} for row in EXPOSURES[self.engine]],
        }


def reveal(parameters: Mapping[str, Parameter]) -> dict[str, object]:
    """Return *parameters* with secrets as text, for the engine alone; a secret is never nested."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in parameters.items()
    }


def _json(value: object) -> Json:
    match value:
        case Secret():
            return str(value)
        case dict():
            return {str(name): _json(item) for name, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def list_unsupported(plan: LaunchPlan, engine: EngineName) -> tuple[Unsupported, ...]:
    """List the settings of *plan* that *engine* does not carry out, in the table's order."""
    found = ((row, find_gap(row[0], engine, row[1])) for row in plan.asked)
    return tuple(
        Unsupported(path, value, gap.why, asked)
        for (path, value, asked), gap in found
        if gap is not None
    )


def head_room(plan: LaunchPlan) -> int:
    """Return the head size in bytes that an engine lets through.

    The policy answers 431 above ``max_head``; so an engine's own bound stands well above it, and
    refuses only what no policy should have to read.
    """
    return max(2 * plan.max_head_bytes, 64 * 1024)


def whole_seconds(duration_s: float) -> int:
    """Round up to whole seconds, at least 1, for engines that take no fractions."""
    return max(1, math.ceil(duration_s))


def alpn_protocols(plan: LaunchPlan) -> list[Literal["h2", "http/1.1"]]:
    """Return what TLS offers, the preferred first (RFC 7301)."""
    return ["h2", "http/1.1"] if plan.http2 else ["http/1.1"]
