"""The neutral plan, and what an engine does not carry out of it."""

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from portico.core.faults import EXPOSURES
from portico.core.launch import (
    EngineParameters,
    LaunchPlan,
    TlsPlan,
    Unsupported,
    alpn_protocols,
    head_room,
    list_unsupported,
    reveal,
    whole_seconds,
)
from portico.core.settings import Secret, Settings, build


def plan(**server: Any) -> LaunchPlan:
    return LaunchPlan.from_settings(
        build({f"server.{key}": value for key, value in server.items()})
    )


def test_the_defaults_make_a_plan():
    made = LaunchPlan.from_settings(Settings())
    assert (made.engine, made.host, made.port, made.workers) == ("hypercorn", "127.0.0.1", 8283, 1)
    assert made.tls is None
    assert made.url() == "http://127.0.0.1:8283"


def test_auto_workers_count_as_one_until_they_are_planned():
    settings = build({"server.workers": "auto"})
    assert LaunchPlan.from_settings(settings).workers == 1
    assert LaunchPlan.from_settings(settings, workers=3).workers == 3


def test_an_engine_can_be_asked_for_in_place_of_the_one_that_is_set():
    assert LaunchPlan.from_settings(Settings(), engine="granian").engine == "granian"


@pytest.mark.parametrize(
    ("server", "port", "url"),
    [
        ({"host": "::1"}, None, "http://[::1]:8283"),
        ({"host": "localhost", "port": 0}, 4711, "http://localhost:4711"),
        ({"uds": "/run/portico.sock"}, None, "unix:/run/portico.sock"),
        ({"tls_cert": "/c.pem", "tls_key": "/k.pem"}, None, "https://127.0.0.1:8283"),
    ],
)
def test_url(server: dict[str, Any], port: int | None, url: str):
    assert plan(**server).url(port) == url


def test_the_certificate_comes_with_its_key_or_not_at_all():
    assert plan(tls_cert="/c.pem").tls is None
    assert plan(tls_key="/k.pem").tls is None
    whole = plan(tls_cert="/c.pem", tls_key="/k.pem", tls_key_password=Secret("pw"), tls_ca="/a")
    assert whole.tls == TlsPlan("/c.pem", "/k.pem", Secret("pw"), "/a")


def test_the_root_path_has_no_slash_at_its_end():
    assert plan(root_path="/api/").root_path == "/api"


def test_the_plan_can_be_pickled_and_shows_no_secret():
    made = plan(tls_cert="/c.pem", tls_key="/k.pem", tls_key_password=Secret("hunter2"))
    assert pickle.loads(pickle.dumps(made)) == made
    assert "hunter2" not in repr(made)


def test_unsupported_settings_say_whether_somebody_set_them():
    settings = build({"server.max_memory": 1024, "server.http2": False})
    made = LaunchPlan.from_settings(settings, chosen={"server.max_memory", "server.http2"})
    rows = {row.setting: row for row in list_unsupported(made, "uvicorn")}
    assert rows["server.max_memory"].asked
    assert not rows["server.header_timeout"].asked
    assert "server.http2" not in rows


def test_a_secret_is_no_row():
    made = plan(tls_key_password=Secret("hunter2"))
    assert "server.tls_key_password" not in [path for path, _, _ in made.asked]


def test_the_document_is_json_and_masks_secrets():
    words = EngineParameters(
        "uvicorn",
        {"password": Secret("hunter2"), "nested": {"list": [1, None, True, 1.5]}},
        (Unsupported("server.x", ("a", frozenset({"b"})), "uvicorn cannot", asked=True),),
        ("one thing",),
    )
    document = words.document()
    assert "hunter2" not in json.dumps(document)
    assert document == {
        "engine": "uvicorn",
        "parameters": {"password": "********", "nested": {"list": [1, None, True, 1.5]}},
        "unsupported": [
            {
                "setting": "server.x",
                "value": ["a", "frozenset({'b'})"],
                "why": "uvicorn cannot",
                "asked": True,
            }
        ],
        "warnings": ["one thing"],
        "exposures": [{"fault": row.fault, "why": row.why} for row in EXPOSURES["uvicorn"]],
    }


def test_reveal_is_for_the_engine():
    assert reveal({"password": Secret("hunter2"), "port": 1}) == {"password": "hunter2", "port": 1}


def test_engines_leave_the_policy_room_to_answer_431():
    small, large = plan(max_head=1024), plan(max_head=1024 * 1024)
    assert head_room(small) == 64 * 1024
    assert head_room(large) == 2 * 1024 * 1024


@pytest.mark.parametrize(("duration_s", "seconds"), [(0.0, 1), (0.2, 1), (1.2, 2), (10.0, 10)])
def test_whole_seconds_round_up(duration_s: float, seconds: int):
    assert whole_seconds(duration_s) == seconds


def test_alpn_prefers_http2():
    assert alpn_protocols(plan()) == ["h2", "http/1.1"]
    assert alpn_protocols(replace(plan(), http2=False)) == ["http/1.1"]
