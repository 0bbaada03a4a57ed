"""Hostile text over every shell: one request gives one parseable line, and no secret in it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from portico.core.access import MAX_LINE, AccessRecord
from portico.core.events import Ask, RequestHead
from portico.core.policy import Policy
from portico.core.settings import Secret, build
from portico.testing import Application, MakeClient, Request
from tests.adapters import clients
from tests.hostile import TEXTS

CANARY = "canary-1f8e"
APPLICATION = Application(200, [(b"content-type", b"text/plain")], b"ok")
SHELLS = {"asgi": clients.asgi, "wsgi": clients.wsgi, "rsgi": clients.rsgi}


def no_questions(ask: Ask) -> object:
    raise AssertionError(ask)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The line of each record that a client was given."""
    found: list[bytes] = []

    def records_of(records: list[AccessRecord]) -> tuple[dict[str, Any], ...]:
        found.extend(record.line() for record in records)
        return tuple(dict(record.fields()) for record in records)

    monkeypatch.setattr(clients, "records_of", records_of)
    return found


@pytest.mark.parametrize("make_client", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", ["user-agent", "x-request-id", "origin", "query"])
def test_one_request_is_one_line(
    make_client: MakeClient, text: bytes, place: str, lines: list[bytes]
) -> None:
    policy = Policy.compile(build({"server.max_head": 1 << 20, "server.max_target": 1 << 20}))
    head = RequestHead("GET", b"/a", b"", [(b"host", b"a.test")])
    if place == "query":
        head = replace(head, query=text)
    else:
        head = replace(head, headers=[*head.headers, (place.encode(), text)])
    make_client(policy, APPLICATION, no_questions)(Request(head, (), "192.0.2.1"))
    (line,) = lines
    assert len(line) <= MAX_LINE
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    shown = line[:-1].decode("ascii")
    assert shown.isprintable()
    assert json.loads(shown)["event"] == "access"


@pytest.mark.parametrize("make_client", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize("path", [b"/a", b"/v1/admin", b"/a b", b"/" + b"a" * 9000])
@pytest.mark.parametrize("scheme", [b"Bearer ", b"Basic ", b""])
def test_a_secret_is_nowhere(
    make_client: MakeClient, path: bytes, scheme: bytes, lines: list[bytes]
) -> None:
    secret = {"auth.password": Secret(CANARY), "auth.required": True, "server.max_body": 8}
    policy = Policy.compile(build(secret))
    credentials = [(b"host", b"a.test"), (b"authorization", scheme + CANARY.encode())]
    head = RequestHead("POST", path, b"password=" + CANARY.encode(), credentials)
    answer = make_client(policy, APPLICATION, no_questions)(
        Request(head, (CANARY.encode(),), "192.0.2.1")
    )
    for shown in (repr(policy), repr(head), repr(answer), str(lines)):
        assert CANARY not in shown
