"""Conditional answers: the tag of a flagged route's answer, and the 304 for who has it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from portico.core.conditional import is_matching
from portico.core.events import Headers, RequestHead, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import Settings

POLICY = Policy.compile(Settings(), routes=[Route("/tagged", conditional=True)])
JSON = (b"content-type", b"application/json")


def asked(*headers: tuple[bytes, bytes], method: str = "GET", path: bytes = b"/tagged") -> Exchange:
    exchange = POLICY.exchange(peer="192.0.2.1", now=0.0, wall=0.0, entropy=bytes(24))
    exchange.request(RequestHead(method, path, b"", [(b"host", b"a"), *headers]))
    return exchange


def answered(exchange: Exchange, *lines: tuple[bytes, bytes], status: int = 200) -> ResponseHead:
    content = b"{}" if exchange.wants_content else None
    return exchange.response(ResponseHead(status, [JSON, *lines]), content=content)


def field(headers: Headers, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def tag_of_the_answer() -> bytes:
    tag = field(answered(asked(path=b"/tagged")).headers, b"etag")
    assert tag is not None
    return tag


def test_a_flagged_answer_gets_a_weak_tag_of_its_body():
    tag = tag_of_the_answer()
    assert re.fullmatch(rb'W/"[0-9a-f]{32}"', tag)
    assert tag == tag_of_the_answer()
    other = asked(path=b"/tagged").response(ResponseHead(200, [JSON]), content=b"[]")
    assert field(other.headers, b"etag") != tag


def test_a_tagged_answer_may_be_kept_and_must_be_asked_for_again():
    head = answered(asked(path=b"/tagged"))
    assert field(head.headers, b"cache-control") == b"private, no-cache"


def test_a_client_that_has_the_answer_gets_304_without_a_body():
    tag = tag_of_the_answer()
    exchange = asked((b"if-none-match", b'"other", ' + tag), path=b"/tagged/below")
    head = answered(exchange, (b"content-length", b"2"), (b"vary", b"accept"))
    assert head.status == 304
    assert exchange.substitute == b""
    assert exchange.fault is None
    assert field(head.headers, b"etag") == tag
    assert field(head.headers, b"vary") is not None
    assert field(head.headers, b"content-type") is field(head.headers, b"content-length") is None
    exchange.send_body(2)
    record = exchange.finish(now=1.0)
    assert (record.status, record.outcome, record.response_bytes) == (304, "completed", 0)


def test_the_application_s_own_tag_counts():
    head = answered(asked((b"if-none-match", b'W/"mine"'), path=b"/tagged"), (b"ETag", b'"mine"'))
    assert (head.status, field(head.headers, b"ETag")) == (304, b'"mine"')
    head = answered(asked((b"if-none-match", b'"its"'), path=b"/tagged"), (b"ETag", b'"mine"'))
    assert head.status == 200


def test_other_answers_are_left_alone():
    for exchange in (
        asked(path=b"/other"),
        asked(method="HEAD", path=b"/tagged"),
        asked(method="POST", path=b"/tagged"),
        asked(path=b"/taggedmore"),
    ):
        assert not exchange.wants_content
        assert field(answered(exchange).headers, b"etag") is None
    failed = answered(asked((b"if-none-match", b"*"), path=b"/tagged"), status=404)
    assert (failed.status, field(failed.headers, b"etag")) == (404, None)


def test_a_stream_has_no_tag():
    head = asked(path=b"/tagged").response(ResponseHead(200, [JSON]))
    assert field(head.headers, b"etag") is None


def test_without_flagged_routes_nobody_wants_content():
    exchange = Policy.compile(Settings()).exchange(peer=None, now=0, wall=0, entropy=bytes(24))
    exchange.request(RequestHead("GET", b"/tagged", b"", [(b"host", b"a")]))
    assert not exchange.wants_content


def test_the_comparison_is_weak_and_reads_lists():
    assert is_matching(b" * ", b'"a"')
    assert is_matching(b'W/"a"', b'"a"')
    assert is_matching(b'"b","a"', b'W/"a"')
    assert is_matching(b'"b, c", "a"', b'W/"a"')
    assert not is_matching(b'"b"', b'"a"')
    assert not is_matching(b"a", b'"a"')


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_value_raises(value: bytes, tag: bytes):
    assert isinstance(is_matching(value, tag), bool)
