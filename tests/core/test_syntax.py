"""HTTP's grammar of heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import Headers, RequestHead, ResponseHead
from portico.core.syntax import (
    are_fields_sound,
    find_fault,
    has_control,
    has_host,
    is_method,
    is_version,
    split,
)


@pytest.mark.parametrize("method", ["GET", "QUERY", "get", "M-SEARCH", "!#$%&'*+.^_`|~0-9A-Za-z"])
def test_a_token_is_a_method(method: str) -> None:
    assert is_method(method)


@pytest.mark.parametrize(
    "method", ["", "G ET", "GET\n", "GET\x00", "GÈT", "GET/", "(GET)", "ＧＥＴ"]
)
def test_what_is_no_token_is_no_method(method: str) -> None:
    assert not is_method(method)


@pytest.mark.parametrize("byte", [*range(0x21), 0x7F])
def test_a_control_byte_or_space_is_found(byte: int) -> None:
    assert has_control(b"/a" + bytes([byte]) + b"b")


@pytest.mark.parametrize(
    "path", [b"", b"/", b"/a%00%20", b"*", b"/\xff\x80", b"/~!@$&'()*+,;=:[]|"]
)
def test_other_paths_hold_none(path: bytes) -> None:
    assert not has_control(path)


@pytest.mark.parametrize("status", [100, 101, 200, 299, 404, 599])
def test_a_status_within_bounds_is_sendable(status: int) -> None:
    assert find_fault(ResponseHead(status, [])) is None


@pytest.mark.parametrize("status", [-1, 0, 99, 600, 999, 10**9])
def test_a_status_beyond_is_not(status: int) -> None:
    assert find_fault(ResponseHead(status, [])) == f"its status {status} is outside 100 to 599"


@pytest.mark.parametrize("name", [b"x", b"Content-Type", b"x_y", b"!#$%&'*+.^_`|~"])
@pytest.mark.parametrize(
    "value", [b"", b"a", b"a b\tc", b"\xff\x80", b'"q";v=1', b"a" * 100_000, b"!"]
)
def test_a_header_within_the_grammar_is_sendable(name: bytes, value: bytes) -> None:
    assert find_fault(ResponseHead(200, [(name, value)])) is None


@pytest.mark.parametrize(
    "name", [b"", b"a b", b"a:", b"a\r\nb", b"\xc3\xa4", b"a\x00", b" a", b"(a)"]
)
def test_a_name_that_is_no_token_is_not(name: bytes) -> None:
    fault = find_fault(ResponseHead(200, [(b"fine", b""), (name, b"canary")]))
    assert fault == f"its header name {name!r} is not a token"


@pytest.mark.parametrize(
    "value",
    [b"canary\r\nx: y", b"canary\n", b"\rcanary", b"\x00", b"can\x7fary", b" canary", b"canary\t"],
)
def test_a_value_with_controls_or_outer_space_is_not(value: bytes) -> None:
    fault = find_fault(ResponseHead(200, [(b"x-a", value)]))
    assert fault is not None
    assert "x-a" in fault
    assert "canary" not in fault


@given(st.integers(), st.lists(st.tuples(st.binary(), st.binary())))
def test_any_head_is_judged(status: int, headers: Headers) -> None:
    fault = find_fault(ResponseHead(status, headers))
    if fault is None:
        wire = b"".join(b"%s: %s\r\n" % line for line in headers)
        assert wire.count(b"\r\n") == len(headers)
        assert b"\x00" not in wire


@pytest.mark.parametrize("version", ["1.0", "1.1", "1", "2", "3"])
def test_these_versions_are_spoken(version: str) -> None:
    assert is_version(version)


@pytest.mark.parametrize("version", ["", "0.9", "1.2", "2.0", "3.0", "HTTP/1.1"])
def test_these_are_not(version: str) -> None:
    assert not is_version(version)


LENGTH = (b"content-length", b"1")
CHUNKED = (b"transfer-encoding", b"chunked")
HOST = (b"host", b"a")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST],
        [HOST, LENGTH],
        [HOST, CHUNKED],
        [(b"x-a", b"a\tb \xff"), (b"x-a", b"")],
        [(b"x-host", b"a"), (b"x-host", b"b")],
    ],
)
def test_fields_that_can_be_read_in_one_way_are_sound(headers: Headers) -> None:
    assert are_fields_sound(split(headers))


@pytest.mark.parametrize(
    "headers", [[HOST, HOST], [LENGTH, CHUNKED], [CHUNKED, CHUNKED], [CHUNKED, LENGTH, HOST]]
)
def test_a_second_host_or_framing_is_not(headers: Headers) -> None:
    assert not are_fields_sound(split(headers))


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([], False),
        ([LENGTH], False),
        ([(b"x-host", b"a")], False),
        ([(b"host", b"")], False),
        ([HOST], True),
        ([LENGTH, HOST], True),
    ],
)
def test_a_host_is_named_by_a_host_line_that_is_not_empty(headers: Headers, named: bool) -> None:
    assert has_host(RequestHead("GET", b"/", b"", headers), split(headers)) is named


@pytest.mark.parametrize("byte", [*{*range(0x20)} - {0x09}, 0x7F])
def test_a_control_byte_in_a_value_is_not(byte: int) -> None:
    assert not are_fields_sound(split([HOST, (b"x-a", b"a" + bytes([byte]) + b"b")]))
