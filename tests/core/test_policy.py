"""The policy compiled from settings: every stage in its place, every error at once."""

from collections.abc import Mapping

import pytest

from portico.core.events import PROCEED, Headers, Proceed, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy, PolicyErrors
from portico.core.routes import Route
from portico.core.settings import Settings, build

HOST = (b"host", b"api.test")
ORIGIN = b"https://app.test"
ENTROPY = bytes(range(1, 25))


def policy_of(values: Mapping[str, object] | None = None) -> Policy:
    own = {"cors.origins": (ORIGIN.decode(),)}
    return Policy.compile(build({**own, **(values or {})}), routes=[Route("/livez", probe=True)])


def begin(policy: Policy, peer: str | None = "192.0.2.1") -> Exchange:
    return policy.exchange(peer=peer, now=1.0, wall=2.0, entropy=ENTROPY)


def ask(policy: Policy, head: RequestHead) -> tuple[Exchange, Proceed | Respond]:
    exchange = begin(policy)
    verdict = exchange.request(head)
    assert isinstance(verdict, Proceed | Respond)
    return exchange, verdict


def get(
    *headers: tuple[bytes, bytes], path: bytes = b"/v1/agents/", method: str = "GET"
) -> RequestHead:
    return RequestHead(method, path, b"", [HOST, *headers])


def preflight(origin: bytes, *headers: tuple[bytes, bytes]) -> RequestHead:
    asked = [HOST, (b"origin", origin), (b"access-control-request-method", b"PUT"), *headers]
    return RequestHead("OPTIONS", b"/v1/agents/", b"", asked)


def handshake(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead("GET", b"/ws", b"", [HOST, *headers], kind="websocket")


def status_of(verdict: Proceed | Respond) -> int:
    assert isinstance(verdict, Respond)
    return verdict.head.status


POLICY = policy_of()


def test_the_stages_stand_in_the_written_order() -> None:
    assert [stage.name for stage in POLICY.pipeline.stages] == [
        "tracing",
        "context",
        "syntax",
        "target",
        "limits",
        "forwarded",
        "hosts",
        "cors",
        "authentication",
    ]


def test_without_origins_there_is_no_cors_and_no_handshake_from_pages() -> None:
    policy = policy_of({"cors.origins": (), "cors.extra_origins": ()})
    exchange, verdict = ask(policy, get((b"origin", ORIGIN)))
    assert verdict is PROCEED
    answer = exchange.response(ResponseHead(200, []))
    assert not any(name.startswith(b"access-control-") for name, _ in answer.headers)
    assert ask(policy, preflight(ORIGIN))[1] is PROCEED
    assert status_of(ask(policy, handshake((b"origin", ORIGIN)))[1]) == 403
    assert ask(policy, handshake())[1] is PROCEED


def test_http_origins_are_the_operators_choice() -> None:
    policy = policy_of({"cors.origins": ("http://intranet.test",)})
    exchange, _ = ask(policy, get((b"origin", b"http://intranet.test")))
    headers = exchange.response(ResponseHead(200, [])).headers
    assert (b"access-control-allow-origin", b"http://intranet.test") in headers


def test_every_error_is_told_at_once_with_its_setting() -> None:
    values = {
        "cors.origins": ("https://a.test/path", "https://*.example"),
        "cors.extra_origins": ("ftp//x",),
        "cors.allow_credentials": True,
        "cors.methods": ("TRACE",),
        "proxy.trusted": ("10.0.0.0/8", "10.0.0.1/8", "nonsense"),
    }
    with pytest.raises(PolicyErrors) as caught:
        Policy.compile(build(values), is_public_suffix=lambda domain: domain == "example")
    found = [(error.path, error.value) for error in caught.value.errors]
    assert ("cors.origins", "https://a.test/path") in found
    assert ("cors.extra_origins", "ftp//x") in found
    assert ("cors.methods", "TRACE") in found
    assert found[-2:] == [("proxy.trusted", "10.0.0.1/8"), ("proxy.trusted", "nonsense")]
    codes = [error.code for error in caught.value.errors]
    assert {"origin_has_path", "method_forbidden", "bad-value"} <= set(codes)
    assert "cors.extra_origins 'ftp//x'" in str(caught.value)


def test_a_wildcard_with_credentials_is_an_error() -> None:
    with pytest.raises(PolicyErrors) as caught:
        policy_of({"cors.origins": ("*",), "cors.extra_origins": ()})
    assert [error.code for error in caught.value.errors] == ["origin_any_with_credentials"]


def test_one_more_error_is_told_in_the_settings_words() -> None:
    with pytest.raises(PolicyErrors) as caught:
        policy_of({"cors.allow_null": True, "cors.allow_credentials": True})
    assert {error.path for error in caught.value.errors} <= {
        "cors.allow_null",
        "cors.allow_credentials",
    }


def test_the_default_settings_compile() -> None:
    exchange = begin(Policy.compile(Settings()))
    headers: Headers = [HOST, (b"origin", b"http://localhost:3000")]
    assert exchange.request(RequestHead("GET", b"/", b"", headers)) is PROCEED
    answer = exchange.response(ResponseHead(500, []))
    assert (b"access-control-allow-origin", b"http://localhost:3000") in answer.headers
