"""Ordinary requests, and what must come of each on every engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType
from typing import Final

from tests.conformance.calls import SPOKEN, Call, Headers, head_bytes

ALLOWED: Final = b"https://example.com"
REFUSED: Final = b"https://evil.test"
UUID: Final = "3f2b8c1d-9a4e-4c5b-8f7d-0123456789ab"
UUID_TWO: Final = "4f2b8c1d-9a4e-4c5b-8f7d-0123456789ab"
PASSWORD: Final = "correct horse"
REVERSED: Final = "esroh tcerroc"
MAX_TARGET, MAX_HEAD, MAX_BODY = 256, 2048, 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One call and what it must give.

    Attributes:
        expect: Header to value; None means that the header is absent.
        body: None leaves the body to the comparison between engines.
        record: Keys of the access record to values; None means that the key is absent.
    """

    name: str
    call: Call
    status: int = 200
    expect: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    outcome: str = "completed"
    reason: str | None = None
    record: Mapping[str, object] = field(default_factory=dict)


ANSWERS: Final = MappingProxyType(
    {
        "/ok": 200,
        "/empty": 200,
        "/unframed": 200,
        "/echo": 200,
        "/stream": 200,
        "/redirect": 302,
        "/not-modified": 304,
        "/no-content": 204,
        "/unauthorised": 401,
        "/nowhere": 404,
        "/only-get": 405,
        "/too-large": 413,
        "/teapot": 418,
        "/too-many": 429,
        "/failed": 500,
        "/unavailable": 503,
        "/cookies": 200,
        "/own-cors": 200,
        "/own-id": 200,
        "/own-cache": 200,
        "/html": 200,
        "/upper-case": 200,
        "/latin": 200,
    }
)
BREAKS: Final = MappingProxyType(
    {
        "/raise": "unhandled_exception",
        "/silent": "no_answer",
        "/bad-status": "invalid_response",
        "/bad-value": "invalid_response",
        "/bad-name": "invalid_response",
    }
)

ORIGINS: Final[Mapping[str, tuple[Headers, str | None]]] = MappingProxyType(
    {
        "no origin": ((), None),
        "allowed origin": (((b"Origin", ALLOWED),), ALLOWED.decode()),
        "refused origin": (((b"Origin", REFUSED),), None),
    }
)


def _answers() -> Iterator[Case]:
    for (path, status), (name, (headers, allowed)) in product(ANSWERS.items(), ORIGINS.items()):
        expect = {"access-control-allow-origin": allowed}
        yield Case(f"{path}, {name}", Call("full", path, headers=headers), status, expect)


def _breaks() -> Iterator[Case]:
    """An application that breaks its contract is a logged 500, with CORS headers and request id."""
    for (path, reason), (name, (headers, allowed)) in product(BREAKS.items(), ORIGINS.items()):
        expect = {
            "access-control-allow-origin": allowed,
            "content-type": "application/problem+json",
            "x-injected": None,
        }
        call = Call("full", path, headers=headers)
        yield Case(f"{path}, {name}", call, 500, expect, outcome="error", reason=reason)


def _methods() -> Iterator[Case]:
    body = b'{"a": 1}' * 100
    json_body = ((b"Content-Type", b"application/json"),)
    yield Case("HEAD", Call("full", "/ok", "HEAD"), body=b"")
    yield Case("HEAD of a page that is not there", Call("full", "/nowhere", "HEAD"), 404, body=b"")
    yield Case(
        "HEAD of a failure",
        Call("full", "/raise", "HEAD"),
        500,
        body=b"",
        outcome="error",
        reason="unhandled_exception",
    )
    yield Case("OPTIONS without Origin", Call("full", "/ok", "OPTIONS"), body=b"ok")
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
        call = Call("full", "/echo?a=1&b=%20", method, json_body, body)
        yield Case(f"{method} with a body", call, record={"http.request.method": method})
        yield Case(f"{method} in chunks", replace(call, chunked=True))
    yield Case("POST without a body", Call("full", "/echo", "POST", ((b"Content-Length", b"0"),)))
    yield Case("a body nobody reads", Call("full", "/ok", "POST", json_body, body), body=b"ok")


def _uncommon_methods() -> Iterator[Case]:
    """Methods are case-sensitive tokens (RFC 9110 9.1), of which any may be an application's."""
    for method, (name, (headers, _)) in product(("CHICKEN", "patch", "X-a.b"), ORIGINS.items()):
        yield Case(f"{method}, {name}", Call("full", "/echo", method, headers))


def _request_ids() -> Iterator[Case]:
    given = {
        "plain": b"abc-123",
        "every character": b"AZaz09._~:/+=-",
        "of 128": b"a" * 128,
    }
    for (name, value), header in product(given.items(), ("X-Request-ID", "x-api-request-log-id")):
        call = Call("full", headers=((header.encode(), value),))
        yield Case(f"request id {name} in {header}", call, expect={"x-request-id": value.decode()})
    bad = {"of 129": b"a" * 129, "with a space": b"a b", "empty": b"", "not ASCII": b"a\xe9"}
    for name, value in bad.items():
        call = Call("full", headers=((b"X-Request-ID", value),))
        yield Case(f"request id {name} is replaced", call, expect={"x-request-id": "<made>"})
    both = ((b"X-Api-Request-Log-Id", b"log-id"), (b"X-Request-ID", b"own-id"))
    yield Case("of two request ids", Call("full", headers=both), expect={"x-request-id": "own-id"})
    fallback = ((b"X-Request-ID", b"a b"), (b"X-Api-Request-Log-Id", b"log-id"))
    yield Case("a bad request id and a good log id", Call("full", headers=fallback))


def _traces() -> Iterator[Case]:
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    heads: dict[str, Headers] = {
        "traceparent": ((b"Traceparent", parent),),
        "traceparent and tracestate": ((b"Traceparent", parent), (b"Tracestate", b"a=1,b=2")),
        "traceparent of zeroes": (
            (b"Traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
        ),
        "traceparent twice": ((b"Traceparent", parent), (b"Traceparent", parent)),
        "traceparent that is none": ((b"Traceparent", b"nonsense"),),
    }
    for name, headers in heads.items():
        yield Case(name, Call("full", "/echo", headers=headers))


def _contexts() -> Iterator[Case]:
    def case(name: str, call: Call, **record: str | None) -> Case:
        return Case(
            f"context {name}", call, 404 if call.path[1:6] == "agent" else 200, record=record
        )

    agent, other = f"agent-{UUID}", f"agent-{UUID_TWO}"
    user = ((b"user_id", f"user-{UUID}".encode()),)
    headers = ((b"X-Agent-Id", other.encode()),)
    yield case("from user_id", Call("full", headers=user), actor_id=f"user-{UUID}")
    yield case("from a header", Call("full", headers=headers), agent_id=other)
    yield case("from the query", Call("full", f"/ok?id={agent}"), agent_id=agent)
    yield case(
        "query over header", Call("full", f"/ok?id={agent}", headers=headers), agent_id=agent
    )
    path = Call("full", f"/{agent}/blocks?id={other}", headers=headers)
    yield case("path over all", path, agent_id=agent)
    upper = Call("full", f"/ok?id=agent-{UUID.upper()}")
    yield case("not in upper case", upper, agent_id=None)
    run = Call("full", headers=((b"Run-Id", f"run-{UUID}".encode()),))
    yield case("from run-id", run, run_id=f"run-{UUID}")
    org = Call("full", headers=((b"X-Organization-Id", f"org-{UUID}".encode()),))
    yield case("from x-organization-id", org, org_id=f"org-{UUID}")


def _cors() -> Iterator[Case]:
    def preflight(origin: bytes, method: bytes) -> Headers:
        return ((b"Origin", origin), (b"Access-Control-Request-Method", method))

    allowed = Call("full", "/raise", "OPTIONS", preflight(ALLOWED, b"PUT"))
    yield Case("preflight", allowed, 204, {"access-control-max-age": "7200"}, b"")
    refused = Call("full", "/ok", "OPTIONS", preflight(REFUSED, b"PUT"))
    yield Case(
        "refused preflight",
        refused,
        403,
        {"access-control-allow-origin": None},
        outcome="refused",
        reason="origin_not_allowed",
    )
    own = Call("full", "/own-cors", headers=((b"Origin", ALLOWED),))
    yield Case(
        "the application's own CORS headers",
        own,
        expect={
            "access-control-allow-origin": ALLOWED.decode(),
            "access-control-expose-headers": "X-Page,etag,x-total",
            "vary": "Accept-Encoding, Cookie, Origin",
        },
    )
    yield Case(
        "cookies stay two lines",
        Call("full", "/cookies"),
        expect={"set-cookie": "a=1; Path=/, b=2; HttpOnly"},
    )


def _authentication() -> Iterator[Case]:
    def case(name: str, *headers: tuple[bytes, bytes], reason: str | None = None) -> Case:
        status, outcome = (401, "refused") if reason else (200, "completed")
        call = Call("secure", "/ok", headers=((b"Origin", ALLOWED), *headers))
        expect = {"access-control-allow-origin": ALLOWED.decode()}
        if reason:
            expect["content-type"] = "application/problem+json"
        return Case(f"password {name}", call, status, expect, outcome=outcome, reason=reason)

    right, wrong = PASSWORD.encode(), REVERSED.encode()
    yield case("as bearer", (b"Authorization", b"Bearer " + right))
    yield case("in its own header", (b"X-BARE-PASSWORD", b"password " + right))
    yield case("missing", reason="credentials_missing")
    yield case(
        "wrong as bearer", (b"Authorization", b"Bearer " + wrong), reason="credentials_wrong"
    )
    yield case(
        "wrong in its own header",
        (b"X-Bare-Password", b"password " + wrong),
        reason="credentials_wrong",
    )
    admin = "/v1/admin/users"
    yield Case(
        "administration without any password",
        Call("full", admin),
        403,
        {"content-type": "application/problem+json"},
        outcome="refused",
        reason="password_not_configured",
    )
    guarded = Call("full", admin.replace("admin", "%61dmin"))
    refusal = "password_not_configured"
    yield Case("administration in disguise", guarded, 403, outcome="refused", reason=refusal)
    preflight = ((b"Origin", ALLOWED), (b"Access-Control-Request-Method", b"PUT"))
    yield Case("no password for a preflight", Call("secure", "/ok", "OPTIONS", preflight), 204)


def _bounds() -> Iterator[Case]:
    """The last byte that is taken, and the first that is not; the head counts as it is sent."""

    def case(name: str, call: Call, status: int = 200, reason: str | None = None) -> Case:
        outcome = "refused" if reason else "completed"
        call = replace(call, headers=((b"Origin", ALLOWED), *call.headers))
        expect = {"access-control-allow-origin": ALLOWED.decode()}
        return Case(name, call, status, expect, outcome=outcome, reason=reason)

    target = Call("bounded", "/ok?")
    fitting = replace(target, path="/ok?".ljust(MAX_TARGET - len("/bounded"), "a"))
    longer = replace(fitting, path=fitting.path + "a")
    yield case("the longest target", fitting)
    yield case("a longer target", longer, 414, "target_too_long")

    origin = (b"Origin", ALLOWED)
    size = len(head_bytes(Call("bounded", headers=(origin, (b"X-Fill", b"")))))
    for name, fill, status, reason in (
        ("the largest head", MAX_HEAD - size, 200, None),
        ("a larger head", MAX_HEAD - size + 1, 431, "head_too_large"),
    ):
        yield case(name, Call("bounded", headers=((b"X-Fill", b"a" * fill),)), status, reason)
    many = Call("bounded", headers=((b"X-A", b"a" * 30),) * 80)
    yield case("a head of many lines", many, 431, "head_too_large")

    for chunked, path in product((False, True), ("/echo", "/echo?a")):
        call = Call("bounded", path, "POST", body=b"a" * MAX_BODY, chunked=chunked)
        over = replace(call, body=b"a" * (MAX_BODY + 1))
        name = f"body of {path}, {'in chunks' if chunked else 'declared'}"
        yield case(f"the largest {name}", call)
        yield case(f"a larger {name}", over, 413, "body_too_large")
    unread = Call("bounded", "/ok", "POST", body=b"a" * (MAX_BODY + 1))
    yield case("a larger body nobody reads", unread, 413, "body_too_large")


def _time() -> Iterator[Case]:
    for method in ("GET", "HEAD"):
        call = Call("hasty", "/hang", method, ((b"Origin", ALLOWED),))
        expect = {"access-control-allow-origin": ALLOWED.decode()}
        outcome, reason = "error", "request_timeout"
        yield Case(f"{method} past its time", call, 504, expect, outcome=outcome, reason=reason)
    yield Case("in time", Call("hasty", "/echo", "POST", body=b"a"))
    yield Case("a WebSocket in time", Call("hasty", "/ws", kind="websocket"), 101)


def _handshakes() -> Iterator[Case]:
    def case(name: str, policy: str, *origin: bytes, reason: str | None = None) -> Case:
        headers = tuple((b"Origin", value) for value in origin)
        call = Call(policy, "/ws", headers=headers, kind="websocket")
        if reason is None:
            accepted = {"x-app": "accepted"}
            return Case(f"handshake {name}", call, 101, accepted, body=SPOKEN.encode())
        status = 401 if reason.startswith("credentials") else 403
        problem = {"content-type": "application/problem+json"}
        return Case(f"handshake {name}", call, status, problem, outcome="refused", reason=reason)

    yield case("without Origin", "full")
    yield case("from an allowed origin", "full", ALLOWED)
    yield case("from a pattern's origin", "full", b"https://app.example.com")
    yield case("from a refused origin", "full", REFUSED, reason="origin_not_allowed")
    yield case("from null", "full", b"null", reason="origin_null_denied")
    yield case("from two origins", "full", ALLOWED, ALLOWED, reason="origin_multiple")
    yield case("without Origin where it must be", "handshakes", reason="websocket_no_origin")
    yield case("without CORS, from any origin", "closed", ALLOWED, reason="origin_not_allowed")
    yield case("without CORS and Origin", "closed")
    yield case("without the password", "secure", ALLOWED, reason="credentials_missing")
    refused = Call("full", "/ws-refuse", kind="websocket")
    yield Case("handshake that the application refuses", refused, 403)


CASES: Final[tuple[Case, ...]] = (
    *_answers(),
    *_breaks(),
    *_methods(),
    *_uncommon_methods(),
    *_request_ids(),
    *_traces(),
    *_contexts(),
    *_cors(),
    *_authentication(),
    *_bounds(),
    *_time(),
    *_handshakes(),
)
