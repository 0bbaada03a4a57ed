"""Every parameter of every engine, from the plan alone; and the traps of each closed."""

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

from portico.adapters import granian, hypercorn, uvicorn
from portico.core.launch import EngineParameters, LaunchPlan
from portico.core.settings import Secret, build

LAUNCHERS = {"hypercorn": hypercorn, "uvicorn": uvicorn, "granian": granian}
TLS = {"tls_cert": "/c.pem", "tls_key": "/k.pem"}

every_engine = pytest.mark.parametrize("engine", LAUNCHERS)


def words(engine: str, **server: Any) -> EngineParameters:
    settings = build({f"server.{name}": value for name, value in server.items()})
    chosen = {f"server.{name}" for name in server}
    plan = LaunchPlan.from_settings(settings, workers=server.get("workers"), chosen=chosen)
    made: EngineParameters = LAUNCHERS[engine].parameters(plan)
    return made


def parameters(engine: str, **server: Any) -> dict[str, Any]:
    return dict(words(engine, **server).parameters)


def test_hypercorn_is_given_every_parameter_it_has():
    from hypercorn.config import Config

    # `application_path` and `cert_reqs` say again what the application and `verify_mode` say;
    # the loggers are objects of this process.
    said_otherwise = {"application_path", "cert_reqs", "errorlog", "logger_class"}
    known = {
        name
        for name, value in vars(Config).items()
        if not name.startswith("_")
        and not inspect.isfunction(value)
        and not isinstance(value, classmethod)
        and not (isinstance(value, property) and value.fset is None)
    }
    assert set(parameters("hypercorn")) == known - said_otherwise


def test_uvicorn_is_given_every_parameter_it_has():
    from uvicorn import Config

    known = set(inspect.signature(Config).parameters)
    assert set(parameters("uvicorn")) == known - {"app"}


def test_granian_is_given_every_parameter_it_has():
    from granian.server.mp import MPServer

    known = set(inspect.signature(MPServer.__init__).parameters)
    assert set(parameters("granian")) == known - {"self", "target"}


@every_engine
def test_parameters_need_no_engine(engine: str):
    code = (
        f"import sys; from portico.adapters.{engine} import parameters\n"
        "from portico.core.launch import LaunchPlan\n"
        "from portico.core.settings import Settings\n"
        "parameters(LaunchPlan.from_settings(Settings()))\n"
        "assert not {'hypercorn', 'uvicorn', 'granian', 'trio', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@every_engine
def test_the_document_is_json_without_secrets(engine: str):
    made = words(engine, **TLS, tls_key_password=Secret("hunter2"))
    text = json.dumps(made.document())
    assert json.loads(text)["engine"] == engine
    assert "hunter2" not in text + repr(made)


@pytest.mark.parametrize(
    ("engine", "server", "expected"),
    [
        ("hypercorn", {"host": "::1"}, {"bind": ["[::1]:8283"]}),
        ("uvicorn", {"host": "::1"}, {"host": "::1", "port": 8283}),
        ("granian", {"host": "::1"}, {"address": "::1", "port": 8283}),
        ("granian", {"host": "localhost"}, {"address": "127.0.0.1"}),
        ("hypercorn", {"host": "localhost"}, {"bind": ["localhost:8283"]}),
        ("hypercorn", {"uds": "/s"}, {"bind": ["unix:/s"]}),
        ("uvicorn", {"uds": "/s"}, {"uds": "/s"}),
        ("granian", {"uds": "/s"}, {"uds": "/s"}),
        # Half a pair must never become plain HTTP in silence: it is no pair for any engine.
        ("hypercorn", {"tls_cert": "/c.pem"}, {"certfile": None, "keyfile": None}),
        ("uvicorn", {"tls_key": "/k.pem"}, {"ssl_certfile": None, "ssl_keyfile": None}),
        ("granian", {"tls_key": "/k.pem"}, {"ssl_cert": None, "ssl_key": None, "http": "1"}),
        ("hypercorn", TLS, {"certfile": "/c.pem", "keyfile": "/k.pem", "verify_mode": "CERT_NONE"}),
        ("hypercorn", TLS, {"alpn_protocols": ["h2", "http/1.1"]}),
        ("hypercorn", TLS | {"http2": False}, {"alpn_protocols": ["http/1.1"]}),
        ("granian", TLS, {"http": "auto", "ssl_protocol_min": "tls1.2"}),
        ("granian", TLS | {"http2": False}, {"http": "1"}),
        ("hypercorn", TLS | {"tls_ca": "/a.pem"}, {"verify_mode": "CERT_REQUIRED"}),
        ("uvicorn", TLS | {"tls_ca": "/a.pem"}, {"ssl_ca_certs": "/a.pem", "ssl_cert_reqs": 2}),
        ("granian", TLS | {"tls_ca": "/a.pem"}, {"ssl_ca": "/a.pem", "ssl_client_verify": True}),
        ("uvicorn", {"workers": 3}, {"workers": 3, "factory": True}),
        ("granian", {"workers": 3}, {"workers": 3, "respawn_failed_workers": True}),
        ("hypercorn", {"grace": 2.5}, {"graceful_timeout": 2.5}),
        ("uvicorn", {"grace": 2.5}, {"timeout_graceful_shutdown": 2.5}),
        ("granian", {"grace": 2.5}, {"workers_kill_timeout": 3}),
        ("hypercorn", {"keep_alive": 7.5}, {"keep_alive_timeout": 7.5}),
        ("uvicorn", {"keep_alive": 7.5}, {"timeout_keep_alive": 7.5}),
        ("uvicorn", {"max_connections": 10}, {"limit_concurrency": 11}),
        ("granian", {"max_connections": 10}, {"backpressure": 10}),
        ("granian", {"max_memory": 3 * 2**20 + 1}, {"workers_max_rss": 4}),
        ("granian", {}, {"workers_max_rss": None, "url_path_prefix": None, "loop": "asyncio"}),
        ("granian", {"uvloop": True}, {"loop": "uvloop"}),
        ("uvicorn", {"uvloop": True}, {"loop": "uvloop"}),
        ("granian", {"backlog": 5}, {"backlog": 128}),
        ("uvicorn", {}, {"proxy_headers": False, "forwarded_allow_ips": [], "workers": 1}),
    ],
)
def test_each_setting_in_the_engines_words(
    engine: str, server: dict[str, Any], expected: dict[str, Any]
):
    made = parameters(engine, **server)
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize(("keep_alive", "on"), [(0.0, False), (5.0, True)])
def test_granian_switches_keep_alive(keep_alive: float, on: bool):
    made = parameters("granian", keep_alive=keep_alive, header_timeout=1.5)
    assert made["http1_settings"]["keep_alive"] is on
    assert made["http1_settings"]["header_read_timeout"] == 1500


def test_what_an_engine_cannot_do_is_a_row():
    rows = {row.setting: row for row in words("granian", keep_alive=7.5).unsupported}
    assert rows["server.keep_alive"].asked
    assert not rows["server.write_timeout"].asked


def test_granian_says_that_it_raises_a_small_backlog():
    assert words("granian", backlog=128).warnings == ()
    (warning,) = words("granian", backlog=5).warnings
    assert "128, not 5" in warning
