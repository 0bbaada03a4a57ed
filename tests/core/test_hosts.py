"""Which hosts are served, and what plain http gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import RequestHead, Respond
from portico.core.hosts import Hosts, parse_host
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import build

ROUTES = [Route("/livez", probe=True)]


def ask(
    values: dict[str, object], host: bytes | None, **changes: object
) -> tuple[int | None, str | None, bytes | None]:
    policy = Policy.compile(build(values), routes=ROUTES)
    exchange = policy.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(24))
    headers = [] if host is None else [(b"host", host)]
    fields = {"method": "GET", "path": b"/a", "query": b"", "headers": headers, **changes}
    verdict = exchange.request(RequestHead(**fields))  # type: ignore[arg-type]
    if not isinstance(verdict, Respond):
        return None, None, None
    return verdict.head.status, exchange.reason, dict(verdict.head.headers).get(b"location")


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"Api.Test:80", "api.test"),
        (b"a.", "a"),
        (b"127.0.0.1:8283", "127.0.0.1"),
        (b"[0:0::1]:80", "::1"),
        (b"[::x]", None),
        (b"[::1", None),
        (b"[:::]", None),
        (b"::1", None),
        (b"a:b", None),
        (b"a@b", None),
        (b"a/b", None),
        (b"a?b", None),
        (b"a#b", None),
        (b"a b", None),
        (b".a", None),
        (b"", None),
        (b"\xc3\xa4", None),
    ],
)
def test_an_authority_is_parsed_not_split(authority: bytes, host: str | None) -> None:
    assert parse_host(authority) == host


def test_only_allowed_hosts_are_served() -> None:
    values: dict[str, object] = {"hosts.allowed": ("API.test", "*.example.com", "::1")}
    for host in (b"api.test", b"API.TEST.:80", b"a.example.com", b"[::1]:8283"):
        assert ask(values, host)[0] is None
    for host in (b"example.com", b"evil.test", b"aexample.com", b"[::2]"):
        assert ask(values, host)[:2] == (421, "host_not_served")
    assert ask(values, b"a@api.test")[:2] == (400, "host_malformed")
    assert ask(values, None, http_version="1.0")[:2] == (421, "host_not_served")


def test_any_host_is_served_by_default_if_it_is_one() -> None:
    assert ask({}, b"any.test")[0] is None
    assert ask({}, None, http_version="1.0")[0] is None
    assert ask({}, b"a@b")[:2] == (400, "host_malformed")


def test_https_is_forced_but_for_probes() -> None:
    values: dict[str, object] = {"server.force_https": True}
    assert ask(values, b"a:80", query=b"b=\n") == (308, "https_redirect", b"https://a/a?b=%0A")
    assert ask(values, b"a:8080", method="HEAD")[2] == b"https://a:8080/a"
    assert ask(values, b"a", method="POST")[:2] == (403, "https_required")
    assert ask(values, None, http_version="1.0")[:2] == (403, "https_required")
    assert ask(values, b"a", kind="websocket", scheme="ws")[:2] == (403, "https_required")
    assert ask(values, b"a", path=b"/livez")[0] is None
    assert ask(values, b"a", scheme="https")[0] is None


@given(st.binary())
def test_no_bytes_break_it(authority: bytes) -> None:
    host = parse_host(authority)
    assert host is None or Hosts.compile((host,)).names == {host}
