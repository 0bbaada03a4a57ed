"""Access records: their fields, and lines that nothing can break or forge."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.access import (
    MAX_LINE,
    SHOWN_PARAMETERS,
    AccessRecord,
    Outcome,
    format_timestamp,
)
from portico.core.context import CONTEXT_KEYS, NO_CONTEXT
from portico.core.events import Headers, RequestHead
from portico.core.tracing import Trace

TRACE = Trace("a" * 32, "b" * 16)


def head_of(
    path: bytes = b"/v1/health/",
    query: bytes = b"",
    headers: Headers | None = None,
    method: str = "GET",
) -> RequestHead:
    return RequestHead(
        method, path, query, [(b"user-agent", b"curl/8")] if headers is None else headers
    )


RECORD = AccessRecord(
    head=head_of(),
    client="127.0.0.1",
    wall=1_700_000_000.25,
    request_id="req-1",
    trace=TRACE,
    context=NO_CONTEXT,
    cors="no_origin",
    outcome=Outcome.COMPLETED,
    reason=None,
    status=200,
    route="/v1/health/",
    principal=None,
    duration_s=0.0123456789,
    ttfb_s=0.01,
    request_bytes=3,
    response_bytes=34,
)


def written(record: AccessRecord) -> dict[str, Any]:
    line = record.line()
    assert len(line) <= MAX_LINE
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert all(0x20 <= octet < 0x7F for octet in line[:-1])
    fields = json.loads(line)
    assert isinstance(fields, dict)
    return fields


def test_the_line_has_the_documented_names() -> None:
    assert written(RECORD) == {
        "event": "access",
        "timestamp": "2023-11-14T22:13:20.250000Z",
        "outcome": "completed",
        "request_id": "req-1",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/v1/health/",
        "http.route": "/v1/health/",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
        "duration_s": 0.012346,
        "ttfb_s": 0.01,
        "request_bytes": 3,
        "response_bytes": 34,
        "cors": "no_origin",
    }


def test_what_is_unknown_is_left_out() -> None:
    bare = RECORD._replace(
        head=head_of(headers=[]), client=None, status=None, route=None, ttfb_s=None
    )
    missing = RECORD.fields().keys() - bare.fields().keys()
    assert missing == {
        "client.address",
        "user_agent.original",
        "http.response.status_code",
        "http.route",
        "ttfb_s",
    }


def test_reason_principal_and_context_stand_at_the_top() -> None:
    context = {"agent_id": "agent-1", "actor_id": "user-1"}
    fields = written(
        RECORD._replace(outcome=Outcome.REFUSED, reason="no", principal="password", context=context)
    )
    assert fields["outcome"] == "refused"
    assert (fields["reason"], fields["principal"]) == ("no", "password")
    assert (fields["agent_id"], fields["actor_id"]) == ("agent-1", "user-1")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/a%20b", "/a%20b"),
        (b"/a b\r\n", "/a%20b%0D%0A"),
        (b"/\x1b[31m\x7f\x00", "/%1B[31m%7F%00"),
        ("/ä\u202e".encode(), "/%C3%A4%E2%80%AE"),
        (b"", ""),
    ],
)
def test_the_path_is_percent_encoded(path: bytes, shown: str) -> None:
    assert written(RECORD._replace(head=head_of(path)))["url.path"] == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"limit=10&after=message-1", "limit=10&after=message-1"),
        (b"token=canary&limit=10&password=canary", "limit=10"),
        (b"canary", None),
        (b"canary=", None),
        (b"=canary&&", None),
        (b"limit=a\nb\xff", "limit=a%0Ab%FF"),
        (b"LIMIT=canary", None),
        (b"\xff=canary", None),
    ],
)
def test_only_listed_parameters_are_shown(query: bytes, shown: str | None) -> None:
    assert written(RECORD._replace(head=head_of(query=query))).get("url.query") == shown


def test_no_listed_parameter_is_a_credential() -> None:
    words = ("pass", "secret", "token", "key", "auth", "cred")
    assert not [name for name in SHOWN_PARAMETERS if any(word in name for word in words)]


def test_no_header_but_the_user_agent_is_shown() -> None:
    headers = [
        (b"authorization", b"Bearer canary"),
        (b"x-bare-password", b"password canary"),
        (b"cookie", b"session=canary"),
        (b"referer", b"https://canary/"),
        (b"user-agent", b"first"),
        (b"user-agent", b"second"),
    ]
    record = RECORD._replace(head=head_of(headers=headers))
    assert b"canary" not in record.line()
    assert "canary" not in repr(record)
    assert record.fields()["user_agent.original"] == "first"


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\nb",
        "\x00",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\x9b31m",
        "\u2028\u2029",
        "\u202e",
        "\u2066",
        '"',
        "\\",
    ],
)
def test_what_could_mislead_a_reader_is_escaped_and_comes_back(text: str) -> None:
    record = RECORD._replace(
        head=head_of(headers=[(b"user-agent", text.encode())], method=text),
        context={"actor_id": text},
        client=text,
    )
    fields = written(record)
    assert fields["user_agent.original"] == text
    assert (fields["actor_id"], fields["client.address"]) == (text, text)
    assert fields["http.request.method"] == text


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    record = RECORD._replace(head=head_of(headers=[(b"user-agent", b"a\xff\xfe")]))
    assert written(record)["user_agent.original"] == "a\\xff\\xfe"


def test_a_long_text_is_cut_and_says_so() -> None:
    record = RECORD._replace(head=head_of(headers=[(b"user-agent", b"x" * 65536)]))
    shown = written(record)["user_agent.original"]
    assert shown == "x" * 1024 + "…"


@pytest.mark.parametrize("filler", ["x", "\x00", "\x7f", "😀", "\ud800", "ä", '"', "\\"])
def test_the_longest_line_fits(filler: str) -> None:
    text = filler * 65536
    raw = text.encode("utf-8", "surrogatepass")
    headers = [(b"user-agent", raw)]
    record = RECORD._replace(
        head=RequestHead(text, b"/" + raw, b"limit=" + raw, headers, "http", text, text),
        client=text,
        request_id="r" * 128,
        reason="r" * 64,
        route=text,
        principal=text,
        context={
            **dict.fromkeys(CONTEXT_KEYS.values(), "provider_trace-" + "0" * 36),
            **dict.fromkeys(("actor_id", "project_id", "org_id", "agent_id", "run_id"), text),
        },
    )
    fields = written(record)
    assert fields["http.response.status_code"] == 200
    assert len(fields) == len(record.fields())


TEXTS = st.text(alphabet=st.characters(), max_size=2000)


@given(st.binary(), st.binary(), st.binary(), TEXTS, st.none() | TEXTS)
def test_any_request_gives_one_parseable_line(
    path: bytes, query: bytes, agent: bytes, method: str, peer: str | None
) -> None:
    head = head_of(path, query, [(b"user-agent", agent)], method)
    assert written(RECORD._replace(head=head, client=peer))["event"] == "access"


@given(st.integers(0, 253_402_300_799), st.integers(0, 999_999))
def test_timestamps_are_rfc_3339(seconds: int, microseconds: int) -> None:
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    # The sum is exact to the microsecond up to the year 2255 only.
    wall = seconds % 9_000_000_000 + microseconds / 1_000_000
    if seconds == seconds % 9_000_000_000:
        assert format_timestamp(wall) == f"{day}.{microseconds:06}Z"
    assert format_timestamp(float(seconds)) == f"{day}.000000Z"


def test_a_timestamp_rounds_up_into_the_next_day() -> None:
    assert format_timestamp(86_399.999_999_9) == "1970-01-02T00:00:00.000000Z"
    assert format_timestamp(951_782_400) == "2000-02-29T00:00:00.000000Z"
