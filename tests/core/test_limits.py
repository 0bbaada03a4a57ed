"""Bounds on a request: exact to the byte, by declared length and by count."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import ABORT, PROCEED, Headers, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.limits import is_endless, other_bytes, target_bytes
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import build
from portico.core.syntax import split

HOST = (b"host", b"api.test")
MAX_TARGET, MAX_HEAD, MAX_BODY = 64, 1024, 1000
LIMITS = {"server.max_target": MAX_TARGET, "server.max_head": MAX_HEAD, "server.max_body": MAX_BODY}
POLICY = Policy.compile(build(LIMITS))
CROWDED = Policy.compile(build({"server.max_concurrency": 2}), routes=[Route("/livez", probe=True)])


def begin(policy: Policy = POLICY, in_flight: int = 0) -> Exchange:
    return policy.exchange(
        peer=None, now=1.0, wall=2.0, entropy=bytes(range(24)), in_flight=in_flight
    )


def head_of(*headers: tuple[bytes, bytes], path: bytes = b"/", query: bytes = b"") -> RequestHead:
    return RequestHead("POST", path, query, [HOST, *headers])


def judge(head: RequestHead, policy: Policy = POLICY, in_flight: int = 0) -> tuple[int, str | None]:
    """The status, 200 where there is no objection, and the reason."""
    exchange = begin(policy, in_flight)
    verdict = exchange.request(head)
    status = verdict.head.status if isinstance(verdict, Respond) else 200
    return status, exchange.finish(now=1.0).reason


def wire(head: RequestHead) -> bytes:
    """The head as HTTP/1.1 has it."""
    target = head.path + (b"?" + head.query if head.query else b"")
    lines = b"".join(b"%b: %b\r\n" % line for line in head.headers)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (head.method.encode(), target, lines)


# Heads


@pytest.mark.parametrize("query", [b"", b"a=1"])
def test_a_target_is_bounded_to_the_byte(query: bytes) -> None:
    room = MAX_TARGET - (len(query) + 1 if query else 0)
    path = b"/".ljust(room, b"a")
    assert judge(head_of(path=path, query=query)) == (200, None)
    assert judge(head_of(path=path + b"a", query=query)) == (414, "target_too_long")


@pytest.mark.parametrize("lines", [1, 7])
def test_a_head_is_bounded_to_the_byte(lines: int) -> None:
    short = [(b"x-fill", b"")] * (lines - 1)
    free = MAX_HEAD - len(wire(head_of(*short, (b"x-fill", b""))))
    fitting = head_of(*short, (b"x-fill", b"a" * free))
    assert len(wire(fitting)) == MAX_HEAD
    assert judge(fitting) == (200, None)
    over = head_of(*short, (b"x-fill", b"a" * (free + 1)))
    assert judge(over) == (431, "head_too_large")


def test_many_small_lines_are_a_large_head() -> None:
    assert judge(head_of(*[(b"a", b"")] * 10_000)) == (431, "head_too_large")


@given(
    st.binary(max_size=20), st.binary(max_size=20), st.lists(st.tuples(st.binary(), st.binary()))
)
def test_a_heads_size_is_that_on_the_wire(path: bytes, query: bytes, headers: Headers) -> None:
    head = RequestHead("GET", path, query, headers)
    assert target_bytes(head) + other_bytes(head, split(headers)) == len(wire(head))


# Bodies


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"0", 200),
        (b"999", 200),
        (b"1000", 200),
        (b"1001", 413),
        (b"9999", 413),
        (b"10000", 413),
        (b"0" * 50 + b"1000", 200),
        (b"0" * 50 + b"1001", 413),
        (b"9" * 10_000, 431),
        (b"9" * 900, 413),
        *((text, 400) for text in (b"", b"-1", b"+1", b"1.0", b"0x1", b"1_0", b"1, 1", b"ten")),
        ("١".encode(), 400),
    ],
)
def test_a_declared_length_is_bounded(length: bytes, status: int) -> None:
    reasons = {413: "body_too_large", 400: "length_malformed", 431: "head_too_large"}
    assert judge(head_of((b"content-length", length))) == (status, reasons.get(status))


def test_two_lengths_are_malformed() -> None:
    line = (b"content-length", b"1")
    assert judge(head_of(line, line)) == (400, "length_malformed")


def test_other_headers_that_stages_read_are_no_length() -> None:
    assert judge(head_of((b"x-request-id", b"1001"))) == (200, None)


@pytest.mark.parametrize("piece", [1, 7, 1000, 1001])
def test_a_counted_body_is_bounded_to_the_byte(piece: int) -> None:
    exchange = begin()
    assert exchange.request(head_of()) is PROCEED
    verdicts = [exchange.receive_body(piece) for _ in range(MAX_BODY // piece)]
    assert set(verdicts) <= {PROCEED}
    refusal = exchange.receive_body(MAX_BODY % piece + 1 if piece <= MAX_BODY else piece)
    assert isinstance(refusal, Respond)
    assert refusal.head.status == 413
    assert (b"connection", b"close") in refusal.head.headers
    record = exchange.finish(now=1.0)
    assert (record.outcome, record.reason) == ("refused", "body_too_large")


def test_a_body_over_its_bound_behind_a_begun_answer_breaks_the_connection() -> None:
    exchange = begin()
    exchange.request(head_of())
    exchange.response(ResponseHead(200, []))
    assert exchange.receive_body(MAX_BODY) is PROCEED
    assert exchange.receive_body(1) is ABORT
    record = exchange.finish(now=1.0)
    assert (record.outcome, record.status, record.reason) == ("refused", 200, "body_too_large")


def test_the_messages_of_a_websocket_are_no_body() -> None:
    exchange = begin()
    exchange.request(replace(head_of(), kind="websocket"))
    exchange.response(ResponseHead(101, []))
    assert exchange.receive_body(MAX_BODY + 1) is PROCEED


@pytest.mark.parametrize(
    "head",
    [
        head_of(path=b"/" + b"a" * MAX_TARGET),
        head_of((b"x-fill", b"a" * MAX_HEAD)),
        head_of((b"content-length", b"1001")),
        head_of((b"content-length", b"x")),
    ],
)
def test_a_refused_head_ends_the_connection(head: RequestHead) -> None:
    verdict = begin().request(head)
    assert isinstance(verdict, Respond)
    assert (b"connection", b"close") in verdict.head.headers
    verdict = begin().request(replace(head, http_version="2"))
    assert isinstance(verdict, Respond)
    assert b"connection" not in dict(verdict.head.headers)


# Concurrency


def test_requests_above_the_bound_are_told_to_come_again() -> None:
    assert judge(head_of(), CROWDED, in_flight=1) == (200, None)
    assert judge(head_of(), CROWDED, in_flight=2) == (503, "overloaded")
    assert judge(head_of(), POLICY, in_flight=10_000) == (200, None)
    verdict = begin(CROWDED, 2).request(head_of())
    assert isinstance(verdict, Respond)
    assert dict(verdict.head.headers)[b"retry-after"] == b"1"
    assert b"connection" not in dict(verdict.head.headers)


def test_probes_and_preflights_always_have_room() -> None:
    probe = RequestHead("GET", b"/livez", b"", [HOST])
    assert judge(probe, CROWDED, in_flight=9) == (200, None)
    asked: Headers = [
        HOST,
        (b"origin", b"http://localhost:3000"),
        (b"access-control-request-method", b"PUT"),
    ]
    assert judge(RequestHead("OPTIONS", b"/", b"", asked), CROWDED, in_flight=9) == (204, None)


# Time


def test_the_time_limit_is_the_shells_to_keep() -> None:
    assert POLICY.request_timeout_s is None
    assert Policy.compile(build({"server.request_timeout": 2.5})).request_timeout_s == 2.5


@pytest.mark.parametrize(
    ("status", "headers", "endless"),
    [
        (101, [], True),
        (200, [(b"Content-Type", b"Text/Event-Stream ; charset=utf-8")], True),
        (200, [(b"content-type", b"text/event-streams")], False),
        (200, [(b"x-a", b"text/event-stream")], False),
        (200, [], False),
    ],
)
def test_a_stream_of_events_and_a_websocket_are_endless(
    status: int, headers: Headers, endless: bool
) -> None:
    assert is_endless(status, headers) is endless


@given(st.lists(st.tuples(st.sampled_from([b"content-length", b"host"]), st.binary())))
def test_no_length_raises(headers: Headers) -> None:
    assert judge(RequestHead("GET", b"/", b"", headers))[0] in {200, 400, 413}
