"""Request id and W3C Trace Context, rule by rule."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.tracing import (
    NO_TRACE,
    RemoteSpan,
    Trace,
    TrustedPeers,
    parse_traceparent,
    parse_tracestate,
    read_request_id,
    start_trace,
)

ENTROPY = bytes(range(1, 25))
MADE = ENTROPY[:16].hex()
SPAN = ENTROPY[16:].hex()

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{PARENT}-01".encode()


# Request id


@pytest.mark.parametrize(
    "value", [b"a", b"0", b"AZaz09._~:/+=-", b"x" * 128, b"req:2024/01+x=~-_."]
)
@pytest.mark.parametrize("name", [b"x-request-id", b"x-api-request-log-id"])
def test_a_request_id_is_taken_over(name: bytes, value: bytes) -> None:
    assert read_request_id([(name, value)], ENTROPY) == value.decode()


@pytest.mark.parametrize(
    "value",
    [b"", b"x" * 129, b"a b", b"a,b", b"a\r\nb", b"a\n", b"\xff", "ä".encode(), b'"a"', b"a;b"],
)
def test_what_is_no_request_id_is_replaced(value: bytes) -> None:
    assert read_request_id([(b"x-request-id", value)], ENTROPY) == MADE


def test_x_request_id_goes_first_if_it_is_one() -> None:
    headers = [(b"x-api-request-log-id", b"log"), (b"x-request-id", b"id")]
    assert read_request_id(headers, ENTROPY) == "id"
    headers[1] = (b"x-request-id", b"no id")
    assert read_request_id(headers, ENTROPY) == "log"


def test_without_one_it_is_made_of_32_hex_digits() -> None:
    assert read_request_id([], ENTROPY) == MADE
    assert re.fullmatch("[0-9a-f]{32}", MADE)


def test_two_lines_are_a_list_and_no_id() -> None:
    assert read_request_id([(b"x-request-id", b"a"), (b"x-request-id", b"a")], ENTROPY) == MADE


# traceparent


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (VALID, 1),
        (b" \t" + VALID + b" ", 1),
        (VALID[:-2] + b"00", 0),
        (VALID[:-2] + b"ff", 1),
        (b"01" + VALID[2:], 1),
        (b"cc" + VALID[2:] + b"-what-the-future-will-be-like", 1),
        (b"fe" + VALID[2:-2] + b"02-", 0),
    ],
)
def test_a_valid_traceparent_is_read(value: bytes, flags: int) -> None:
    assert parse_traceparent([value]) == RemoteSpan(TRACE, PARENT, flags)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"ff" + VALID[2:],
        b"FF" + VALID[2:],
        b"0" + VALID,
        b"0" + VALID[2:],
        b".0" + VALID[2:],
        VALID + b"-",
        VALID + b"-extra",
        VALID + b".",
        b"cc" + VALID[2:] + b".what",
        b"cc" + VALID[2:-1],
        VALID[:-1],
        VALID.upper(),
        VALID.replace(b"-", b"_"),
        VALID.replace(TRACE.encode(), b"0" * 32),
        VALID.replace(PARENT.encode(), b"0" * 16),
        VALID.replace(TRACE.encode(), TRACE.encode()[:-1]),
        VALID.replace(PARENT.encode(), PARENT.encode() + b"0"),
        VALID[:-2] + b"0x",
        VALID + b"\n",
    ],
)
def test_an_invalid_traceparent_is_none(value: bytes) -> None:
    assert parse_traceparent([value]) is None


def test_none_and_several_lines_are_none() -> None:
    assert parse_traceparent([]) is None
    assert parse_traceparent([VALID, VALID]) is None


# tracestate


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([], ""),
        ([b""], ""),
        ([b"a=1"], "a=1"),
        ([b"a=1,b=2", b"c=3"], "a=1,b=2,c=3"),
        ([b" a=1 ,\t b=2 ,, "], "a=1,b=2"),
        ([b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ([b"0tenant@vendor=v,a-b_c*d/e=x y"], "0tenant@vendor=v,a-b_c*d/e=x y"),
        ([b"a" * 256 + b"=1"], "a" * 256 + "=1"),
        ([b"t" * 241 + b"@" + b"v" * 14 + b"=1"], "t" * 241 + "@" + "v" * 14 + "=1"),
    ],
)
def test_a_tracestate_is_joined_over_its_lines(values: list[bytes], state: str) -> None:
    assert parse_tracestate(values) == state


@pytest.mark.parametrize(
    "value",
    [
        b"a",
        b"=1",
        b"a=",
        b"a=1=2",
        b"A=1",
        b"0a=1",
        b"a b=1",
        b"a@=1",
        b"@v=1",
        b"a@V=1",
        b"a@b@c=1",
        b"a=\x7f",
        b"a=\t1",
        b"a=\xff",
        b"a=1,b",
        b"a=1,b=2,a=3",
        b"a" * 257 + b"=1",
        b"t" * 242 + b"@v=1",
        b"t@" + b"v" * 15 + b"=1",
        b"a=" + b"v" * 257,
        b",".join(b"k%d=1" % n for n in range(33)),
    ],
)
def test_an_invalid_tracestate_is_dropped_whole(value: bytes) -> None:
    assert parse_tracestate([value]) == ""


def test_32_members_are_kept() -> None:
    value = b",".join(b"k%d=1" % n for n in range(32))
    assert parse_tracestate([value]) == value.decode()


def test_beyond_512_characters_long_members_go_first_and_then_the_last() -> None:
    long, short = b"long=" + b"v" * 200, [b"k%02d=" % n + b"v" * 50 for n in range(7)]
    kept = parse_tracestate([b",".join([long, *short])])
    assert kept == b",".join(short).decode()
    nine = [*short, b"k07=" + b"v" * 50, b"k08=" + b"v" * 70]
    assert parse_tracestate([b",".join(nine)]) == b",".join(nine[:8]).decode()
    assert len(parse_tracestate([b",".join([b"a=" + b"v" * 128, *nine])])) <= 512


# The trace of a request


def test_without_a_caller_a_trace_begins() -> None:
    trace = start_trace([], trusted=True, entropy=ENTROPY)
    assert trace == Trace(MADE, SPAN, None, 1, "", None)
    assert trace.traceparent == f"00-{MADE}-{SPAN}-01"


def test_a_trusted_peers_trace_goes_on() -> None:
    headers = [(b"traceparent", VALID), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    trace = start_trace(headers, trusted=True, entropy=ENTROPY)
    assert trace == Trace(TRACE, SPAN, PARENT, 1, "a=1,b=2", None)


def test_an_untrusted_peers_trace_is_only_linked() -> None:
    headers = [(b"traceparent", VALID), (b"tracestate", b"a=1")]
    trace = start_trace(headers, trusted=False, entropy=ENTROPY)
    assert trace == Trace(MADE, SPAN, None, 1, "", RemoteSpan(TRACE, PARENT, 1))


@pytest.mark.parametrize("trusted", [True, False])
def test_without_a_valid_traceparent_the_state_is_not_read(trusted: bool) -> None:
    headers = [(b"traceparent", b"ff" + VALID[2:]), (b"tracestate", b"a=1")]
    assert start_trace(headers, trusted=trusted, entropy=ENTROPY) == Trace(MADE, SPAN)


def test_ids_are_never_all_zero() -> None:
    trace = start_trace([], trusted=False, entropy=bytes(24))
    assert trace == Trace("0" * 31 + "1", "0" * 15 + "1")
    assert trace != NO_TRACE


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"traceparent", b"tracestate", b"x-request-id"]),
        st.binary() | st.just(VALID) | st.from_regex(rb"[a-z]{1,3}=[a-z,= ]{0,9}", fullmatch=True),
    )
)


@given(HEADERS, st.booleans(), st.binary(min_size=24))
def test_any_bytes_give_a_well_formed_trace_and_id(
    headers: list[tuple[bytes, bytes]], trusted: bool, entropy: bytes
) -> None:
    trace = start_trace(headers, trusted=trusted, entropy=entropy)
    assert parse_traceparent([trace.traceparent.encode()]) is not None
    assert parse_tracestate([trace.state.encode()]) == trace.state
    assert re.fullmatch("[A-Za-z0-9._~:/+=-]{1,128}", read_request_id(headers, entropy))


# Who is trusted


@pytest.mark.parametrize(
    ("trusted", "peer", "verdict"),
    [
        ((), "127.0.0.1", False),
        ((), None, False),
        (("unix",), None, True),
        (("unix",), "127.0.0.1", False),
        (("10.0.0.0/8",), None, False),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "::1", False),
        (("192.0.2.1", "2001:db8::/32"), "2001:db8::5", True),
        (("192.0.2.1",), "192.0.2.1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8",), "not an address", False),
        (("10.0.0.0/8",), "", False),
    ],
)
def test_trusted_peers(trusted: tuple[str, ...], peer: str | None, verdict: bool) -> None:
    assert TrustedPeers.compile(trusted).trusts(peer) is verdict


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        TrustedPeers.compile(["10.0.0.0/99"])
