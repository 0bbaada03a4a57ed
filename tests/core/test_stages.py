"""The stages that judge a head, behind the policy that puts them in order."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from portico.adapters.rate_memory import RateMemory
from portico.core.events import PROCEED, Ask, Proceed, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import Secret, build
from portico.core.tracing import TRACING_HEADERS

HOST = (b"host", b"api.test")
ORIGIN = b"https://app.test"
EVIL = b"https://evil.test"
ENTROPY = bytes(range(1, 25))
VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def policy_of(values: Mapping[str, object] | None = None) -> Policy:
    own = {"cors.origins": (ORIGIN.decode(),)}
    return Policy.compile(build({**own, **(values or {})}), routes=[Route("/livez", probe=True)])


def begin(policy: Policy, peer: str | None = "192.0.2.1") -> Exchange:
    return policy.exchange(peer=peer, now=1.0, wall=2.0, entropy=ENTROPY)


def ask(policy: Policy, head: RequestHead) -> tuple[Exchange, Proceed | Respond]:
    exchange = begin(policy)
    verdict = exchange.request(head)
    while isinstance(verdict, Ask):
        verdict = exchange.answer(RateMemory().answer(verdict))
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
SECURE = policy_of({"auth.required": True, "auth.password": Secret("pw")})


# CORS


def test_a_preflight_is_answered_without_a_password() -> None:
    exchange, verdict = ask(SECURE, preflight(ORIGIN))
    assert status_of(verdict) == 204
    assert isinstance(verdict, Respond)
    assert verdict.body == b""
    headers = dict(verdict.head.headers)
    assert headers[b"access-control-allow-origin"] == ORIGIN
    assert headers[b"access-control-allow-methods"] == b"PUT"
    assert headers[b"vary"] == VARY
    assert b"content-length" not in headers
    record = exchange.finish(now=1.0)
    assert (record.outcome, record.reason, record.cors) == ("completed", None, "preflight_ok")


def test_a_refused_preflight_gets_vary_and_request_id_only() -> None:
    exchange, verdict = ask(SECURE, preflight(EVIL))
    assert verdict == Respond(
        ResponseHead(
            403,
            [
                (b"content-length", b"0"),
                (b"vary", VARY),
                (b"x-request-id", ENTROPY[:16].hex().encode()),
            ],
        ),
        b"",
    )
    record = exchange.finish(now=1.0)
    assert (record.outcome, record.reason) == ("refused", "origin_not_allowed")


def test_the_status_of_preflights_is_a_setting() -> None:
    _, verdict = ask(policy_of({"cors.preflight_status": 200}), preflight(ORIGIN))
    assert isinstance(verdict, Respond)
    assert verdict.head.headers[0] == (b"content-length", b"0")


def test_a_handshake_from_another_origin_is_refused() -> None:
    exchange, verdict = ask(POLICY, handshake((b"origin", EVIL)))
    assert status_of(verdict) == 403
    assert exchange.finish(now=1.0).reason == "origin_not_allowed"
    for line in ([], [(b"origin", ORIGIN)]):
        assert ask(POLICY, handshake(*line))[1] is PROCEED


# Authentication


def test_authentication_finds_the_principal() -> None:
    exchange, verdict = ask(SECURE, get((b"authorization", b"Bearer pw")))
    assert verdict is PROCEED
    assert exchange.principal == "password"
    assert exchange.finish(now=1.0).principal == "password"


@pytest.mark.parametrize("value", [None, b"Bearer no"])
def test_a_refusal_challenges_and_carries_cors(value: bytes | None) -> None:
    sent = [] if value is None else [(b"authorization", value)]
    exchange, verdict = ask(SECURE, get((b"origin", ORIGIN), *sent))
    assert isinstance(verdict, Respond)
    headers = dict(verdict.head.headers)
    assert verdict.head.status == 401
    assert headers[b"www-authenticate"].startswith(b"Bearer")
    assert headers[b"access-control-allow-origin"] == ORIGIN
    assert json.loads(verdict.body)["instance"] == exchange.request_id
    assert b"no" not in exchange.finish(now=1.0).line().partition(b"user_agent")[2]


def test_probes_are_exempt_and_administration_never_is() -> None:
    assert ask(SECURE, get(path=b"/livez"))[1] is PROCEED
    assert status_of(ask(SECURE, get(path=b"/livez/"))[1]) == 401
    assert status_of(ask(POLICY, get(path=b"/v1/admin/config"))[1]) == 403
    with_password = policy_of({"auth.password": Secret("pw")})
    assert ask(with_password, get())[1] is PROCEED
    assert status_of(ask(with_password, get(path=b"/v1/admin/config"))[1]) == 401


def test_the_root_path_stands_before_probes() -> None:
    values = {"auth.required": True, "auth.password": Secret("pw"), "server.root_path": "/api"}
    assert ask(policy_of(values), get(path=b"/api/livez"))[1] is PROCEED


# Syntax


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (get(method="G ET"), "method_malformed"),
        (get(path=b"/a\x00b"), "path_malformed"),
        (get(path=b"/a\nb"), "path_malformed"),
        (get((b"host", b"b")), "fields_malformed"),
        (replace(get(), headers=[]), "host_missing"),
        (replace(get(), headers=[(b"x-host", b"a")]), "host_missing"),
        (replace(get(), headers=[(b"host", b"")]), "host_missing"),
        (get((b"x-a", b"a\x01")), "fields_malformed"),
    ],
)
def test_a_malformed_head_is_a_bad_request(head: RequestHead, reason: str) -> None:
    exchange, verdict = ask(POLICY, head)
    assert status_of(verdict) == 400
    assert isinstance(verdict, Respond)
    assert (b"connection", b"close") in verdict.head.headers
    assert exchange.finish(now=1.0).reason == reason


def test_an_unknown_version_is_not_spoken() -> None:
    exchange, verdict = ask(POLICY, replace(get(), http_version="3.0"))
    assert status_of(verdict) == 505
    assert exchange.finish(now=1.0).reason == "version_unknown"


@pytest.mark.parametrize("version", ["1.0", "1", "2"])
def test_only_http_1_1_demands_a_host(version: str) -> None:
    assert ask(POLICY, replace(get(), headers=[], http_version=version))[1] is PROCEED


def test_http_2_is_not_told_to_close_the_connection() -> None:
    _, verdict = ask(POLICY, replace(get(path=b"/ "), http_version="2"))
    assert isinstance(verdict, Respond)
    assert b"connection" not in dict(verdict.head.headers)


# Context and tracing


def test_identifiers_come_from_the_head() -> None:
    exchange, _ = ask(POLICY, get((b"x-request-id", b"mine"), (b"x-run-id", b"run-1")))
    assert exchange.request_id == "mine"
    assert exchange.context == {"run_id": "run-1"}
    answer = exchange.response(ResponseHead(200, []))
    assert answer.headers[-1] == (b"x-request-id", b"mine")


@pytest.mark.parametrize(
    ("trusted", "peer", "parent"),
    [
        ((), "10.0.0.1", None),
        (("10.0.0.0/8",), "10.0.0.1", "00f067aa0ba902b7"),
        (("10.0.0.0/8",), "192.0.2.1", None),
        (("unix",), None, "00f067aa0ba902b7"),
        ((), None, None),
    ],
)
def test_only_a_trusted_peer_continues_a_trace(
    trusted: tuple[str, ...], peer: str | None, parent: str | None
) -> None:
    exchange = begin(policy_of({"proxy.trusted": trusted}), peer)
    exchange.request(get((b"traceparent", TRACEPARENT)))
    assert exchange.trace.parent_id == parent
    assert (exchange.trace.link is None) is (parent is not None)


def test_the_stages_read_no_header_twice_for_nothing() -> None:
    assert POLICY.pipeline.reads > TRACING_HEADERS
    assert b"user-agent" not in POLICY.pipeline.reads
