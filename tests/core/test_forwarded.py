"""Who the client is behind proxies: believed from the right, and from trusted peers alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import Headers, RequestHead
from portico.core.exchange import Exchange
from portico.core.forwarded import FORWARDED_HEADERS, MAX_HOPS, Hop, parse_forwarded, parse_node
from portico.core.policy import Policy
from portico.core.settings import build

PROXY = "10.0.0.1"
FOR = b"x-forwarded-for"


def pass_on(
    headers: Sequence[tuple[bytes, bytes]], peer: str | None = PROXY, hops: int = 0
) -> Exchange:
    policy = Policy.compile(build({"proxy.trusted": ("10.0.0.0/8", "unix"), "proxy.hops": hops}))
    exchange = policy.exchange(peer=peer, now=1.0, wall=2.0, entropy=bytes(24))
    exchange.request(RequestHead("GET", b"/", b"", [(b"host", b"api.test"), *headers]))
    return exchange


@pytest.mark.parametrize(
    ("node", "address"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b" 192.0.2.1:80 ", "192.0.2.1"),
        (b"[2001:DB8::1]:80", "2001:db8::1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"unknown", None),
        (b"_hidden", None),
        (b"", None),
        (b"\xff", None),
        (b"1" * 100000, None),
    ],
)
def test_nodes(node: bytes, address: str | None) -> None:
    assert parse_node(node) == address


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        (b"", []),
        (b"for=192.0.2.1", [Hop("192.0.2.1")]),
        (b'For="[::1]:80";PROTO=https;host="a:1";by=x', [Hop("::1", "https", b"a:1")]),
        (b'for=192.0.2.1 , for="192\\.0.2.2"', [Hop("192.0.2.1"), Hop("192.0.2.2")]),
        (b'host="a/b"', [Hop(None)]),
        (b"for", None),
        (b"for=a;", None),
        (b"for=a for=b", None),
        (b"for=a;for=b", None),
        (b'for="a', None),
    ],
)
def test_the_standard_field(value: bytes, hops: list[Hop] | None) -> None:
    assert parse_forwarded(value) == hops


@pytest.mark.parametrize("trusted", [0, 1, 2, 3])
@pytest.mark.parametrize("standard", [False, True])
def test_as_many_hops_as_are_trusted(trusted: int, standard: bool) -> None:
    """A forged entry stands left of the client's, whatever stands in front of the server."""
    chain = ["6.6.6.6", "192.0.2.7", *(f"10.0.0.{9 - n}" for n in range(trusted))]
    peer = chain.pop()
    text = ", ".join(f"for={node}" if standard else node for node in chain)
    exchange = pass_on([(b"forwarded" if standard else FOR, text.encode())], peer)
    assert exchange.client == "192.0.2.7"
    assert exchange.forwarded == (None if trusted else "ignored")


def test_hops_bound_the_walk() -> None:
    headers = [(FOR, b"192.0.2.7, 10.0.0.3, 10.0.0.2")]
    assert [pass_on(headers, hops=n).client for n in (0, 1, 2, 3)] == [
        "192.0.2.7",
        "10.0.0.2",
        "10.0.0.3",
        "192.0.2.7",
    ]


def test_scheme_and_host_are_those_of_the_believed_hop() -> None:
    headers = [
        (FOR, b"192.0.2.7, 10.0.0.2"),
        (b"x-forwarded-proto", b"https, http"),
        (b"x-forwarded-host", b"public.test"),
        (b"x-forwarded-port", b"443"),
    ]
    exchange = pass_on(headers)
    assert (exchange.scheme, exchange.host) == ("https", b"public.test")
    assert exchange.head.scheme == "https"
    assert [line for line in exchange.head.headers if line[0] == b"host"] == [
        (b"host", b"public.test")
    ]


@pytest.mark.parametrize(
    ("host", "port", "seen"),
    [
        (b"a", b"81", b"a:81"),
        (b"a:5", b"81", b"a:5"),
        (b"[::1]", b"81", b"[::1]:81"),
        (b"a", b"80", b"a"),
    ],
)
def test_the_port_stands_behind_the_host(host: bytes, port: bytes, seen: bytes) -> None:
    headers = [(b"x-forwarded-host", host), (b"x-forwarded-port", port)]
    assert pass_on([*headers, (b"x-forwarded-proto", b"http")]).host == seen


def test_a_websocket_keeps_its_kind_of_scheme() -> None:
    policy = Policy.compile(build({"proxy.trusted": ("10.0.0.0/8",)}))
    exchange = policy.exchange(peer=PROXY, now=1.0, wall=2.0, entropy=bytes(24))
    headers = [(b"host", b"a"), (b"x-forwarded-proto", b"https")]
    exchange.request(RequestHead("GET", b"/", b"", headers, "websocket", "ws"))
    assert (exchange.scheme, exchange.client) == ("wss", PROXY)


@pytest.mark.parametrize(
    "line",
    [
        (b"forwarded", b"for"),
        (b"x-forwarded-proto", b"gopher"),
        (b"x-forwarded-host", b"a/b"),
        (b"x-forwarded-port", b"x"),
    ],
)
def test_what_a_trusted_proxy_mangled_is_refused(line: tuple[bytes, bytes]) -> None:
    assert pass_on([line]).reason == "forwarded_malformed"
    exchange = pass_on([line], "192.0.2.9")
    assert (exchange.reason, exchange.forwarded) == (None, "ignored")


def test_names_with_an_underscore_are_dropped_but_for_one() -> None:
    lines = [(b"x_forwarded_for", b"1.1.1.1"), (b"user_id", b"user-1"), (b"x-a", b"b")]
    exchange = pass_on(lines)
    assert exchange.head.headers == [(b"host", b"api.test"), *lines[1:]]
    kept = pass_on(lines[1:])
    assert kept.head.headers == [(b"host", b"api.test"), *lines[1:]]
    assert exchange.client == PROXY


def test_a_blank_header_says_nothing_and_a_long_one_is_bounded() -> None:
    assert pass_on([(FOR, b" "), (b"x-forwarded-proto", b"")]).client == PROXY
    longest = b"192.0.2.7, " + b", ".join([b"10.0.0.2"] * MAX_HOPS)
    assert pass_on([(FOR, longest)]).client == "10.0.0.2"
    assert (
        pass_on(
            [(b"forwarded", longest.replace(b" ", b"for=").replace(b"192", b"for=192", 1))]
        ).client
        == "10.0.0.2"
    )


LINES = st.lists(
    st.tuples(
        st.sampled_from(sorted(FORWARDED_HEADERS)),
        st.binary(max_size=60) | st.text('for=host;,":[]1.ab \\', max_size=60).map(str.encode),
    )
)


@given(LINES)
def test_no_bytes_break_it_and_none_is_believed_from_others(lines: Headers) -> None:
    pass_on(lines)
    exchange = pass_on(lines, "192.0.2.9")
    assert (exchange.client, exchange.scheme, exchange.host) == ("192.0.2.9", "http", b"api.test")
