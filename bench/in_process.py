"""What one CORS decision and one whole exchange cost, against what Starlette's middleware adds."""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from bench.exchanges import (
    ALLOWED,
    BROWSER,
    HOSTILE_PREFLIGHTS,
    ORIGINS,
    PATH,
    REFUSED,
    RESPONSE,
    Headers,
    from_origin,
    preflight,
)
from bench.measure import Costs, Figure, Target, above, cpu_per_call, interleave, ratio, whole
from portico.core.cors import CorsConfig, CorsPolicy
from portico.core.events import RequestHead, ResponseHead
from portico.core.policy import Policy
from portico.core.settings import Sources, resolve

Message = MutableMapping[str, Any]
Application = Callable[[Message, Any, Any], Awaitable[None]]

REQUESTS = {
    "no Origin": BROWSER,
    "allowed": from_origin(ALLOWED),
    "refused": from_origin(REFUSED),
}


async def receive() -> Message:
    """An empty request body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Drops what the application sends."""


async def bare_application(_scope: Message, _receive: Any, send: Any) -> None:
    """Answers at once, with a header list of its own, as an application does."""
    await send({"type": "http.response.start", "status": 200, "headers": list(RESPONSE)})
    await send({"type": "http.response.body", "body": b'{"version":"0.1.0","status":"ok"}'})


def drive(call: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never suspends to its end, without an event loop's cost."""
    try:
        call.send(None)
    except StopIteration:
        return
    raise AssertionError("an in-process ASGI call suspended")


def asgi_scope(headers: Headers) -> Message:
    """The scope of one GET of `PATH`."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH.decode(),
        "raw_path": PATH,
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8283),
    }


def with_starlette_cors() -> CORSMiddleware:
    """The bare application behind Starlette's middleware, set as the reference system sets it."""
    return CORSMiddleware(
        bare_application,
        allow_origins=ORIGINS,
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )


def asgi_case(application: Application, headers: Headers, batch_s: float) -> Callable[[], float]:
    """The case that calls *application* once with *headers*."""
    names = {
        "drive": drive,
        "app": application,
        "scope": asgi_scope(headers),
        "receive": receive,
        "send": send,
    }
    return cpu_per_call("drive(app(scope, receive, send))", names, batch_s)


def cors_policy() -> CorsPolicy:
    """The policy that matches `with_starlette_cors`."""
    config = CorsConfig(
        origins=ORIGINS,
        credentials=True,
        methods=("*",),
        request_headers=("*",),
        max_age=600,
        dangerously_allow_insecure_origins=True,
    )
    return CorsPolicy.compile(config)


def decide_case(method: str, headers: Headers, batch_s: float) -> Callable[[], float]:
    """The case that decides one request."""
    head = RequestHead(method=method, path=PATH, query=b"", headers=headers)
    names = {"decide": cors_policy().decide, "head": head}
    return cpu_per_call("decide(head)", names, batch_s)


EXCHANGE = """\
exchange = policy.exchange(peer="127.0.0.1", now=1.0, wall=1.7e9, entropy=entropy)
exchange.request(head)
exchange.response(ResponseHead(200, list(answer)))
exchange.finish(now=1.001)"""


def exchange_case(headers: Headers, batch_s: float) -> Callable[[], float]:
    """The case that takes one request through the default settings' policy, record included."""
    resolution = resolve(Sources(env={}))
    assert resolution.settings is not None
    names = {
        "policy": Policy.compile(resolution.settings),
        "head": RequestHead(method="GET", path=PATH, query=b"", headers=headers),
        "ResponseHead": ResponseHead,
        "answer": RESPONSE,
        "entropy": bytes(range(24)),
    }
    return cpu_per_call(EXCHANGE, names, batch_s)


def measure(rounds: int, batch_s: float) -> list[Figure]:
    """The in-process figures of cors.md and policy.md.

    Args:
        rounds: Rounds over all cases.
        batch_s: CPU seconds that one case takes in one round.
    """
    ordinary = preflight(b"content-type,x-trace")
    cases = {
        "ordinary preflight": decide_case("OPTIONS", ordinary, batch_s),
        "exchange": exchange_case(REQUESTS["allowed"], batch_s),
    }
    for name, headers in HOSTILE_PREFLIGHTS.items():
        cases[f"hostile {name}"] = decide_case("OPTIONS", headers, batch_s)
    for name, headers in REQUESTS.items():
        cases[f"bare {name}"] = asgi_case(bare_application, headers, batch_s)
        cases[f"starlette {name}"] = asgi_case(with_starlette_cors(), headers, batch_s)
        cases[f"decide {name}"] = decide_case("GET", headers, batch_s)
    return figures(interleave(cases, rounds))


def figures(rounds: list[Costs]) -> list[Figure]:
    """The ratios of the measured rounds."""
    decisions = [
        ratio(
            f"cors decide, {name} / what CORSMiddleware adds",
            rounds,
            of=whole(f"decide {name}"),
            to=above(f"bare {name}", f"starlette {name}"),
            target=Target(0.2),
        )
        for name in REQUESTS
    ]
    hostile = [
        ratio(
            f"cors decide, 1 MiB of request headers ({name}) / an ordinary preflight",
            rounds,
            of=whole(f"hostile {name}"),
            to=whole("ordinary preflight"),
            target=Target(5),
        )
        for name in HOSTILE_PREFLIGHTS
    ]
    exchange = ratio(
        "whole exchange, allowed / what CORSMiddleware adds",
        rounds,
        of=whole("exchange"),
        to=above("bare allowed", "starlette allowed"),
        target=Target(3),
    )
    return [*decisions, *hostile, exchange]
