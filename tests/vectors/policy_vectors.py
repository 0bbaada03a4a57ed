"""Checks one vector of the request policy.

A vector has an ``id`` and:

- ``settings``: typed values by path; secrets as their text, durations in seconds. Empty without.
- ``routes``: the flags of `Route`, by name. Empty without.
- ``peer``: the transport's client address, or null. 192.0.2.1 without.
- ``in_flight``: requests that the worker has already. 0 without.
- ``keys``: text of the keys file, where the policy has one.
- ``request``: ``method``, ``path``, ``query``, ``headers``, ``kind``, ``scheme``, ``http_version``
  and ``body``, the sizes of its pieces. GET of ``/`` with a Host without.
- ``answers``: what the shell answers to each question, in turn, as `_ANSWERS` reads it.
- ``application``: the application's answer: ``status``, ``headers``. A 200 without headers without.
- ``expect``: what must come of it; only the keys that are there are compared. ``status``;
  ``headers``, by name, null for one that must be absent; ``reason``; ``outcome``; ``problem``,
  members of the problem body; ``record``, members of the access record, null for absent ones;
  ``questions``, the stages that asked.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from portico.core.events import Abort, Ask, Headers, Proceed, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.testing.vectors import Vector, encode, head_of, policy_of

ENTROPY: Final = bytes(range(1, 25))
_ANSWERS: Final[dict[str, Callable[[Any], object]]] = {}
"""How the answer to each stage's question is read from JSON."""


def check(vector: Vector) -> list[str]:
    """Compare what the policy does with what a vector expects; one line for each difference."""
    actual = perform(vector)
    expect = vector["expect"]
    unknown = [f"unknown expectation: {key}" for key in expect if key not in actual]
    return unknown + [
        line for key in expect if key in actual for line in _compare(key, expect[key], actual[key])
    ]


def perform(vector: Vector) -> dict[str, Any]:
    """Take a vector's request through its policy."""
    exchange = policy_of(vector).exchange(
        peer=vector.get("peer", "192.0.2.1"),
        now=1.0,
        wall=2.0,
        entropy=ENTROPY,
        in_flight=vector.get("in_flight", 0),
    )
    questions: list[str] = []
    step = exchange.request(head_of(vector["request"]))
    answers = iter(vector.get("answers", ()))
    while isinstance(step, Ask):
        questions.append(step.stage)
        step = exchange.answer(_ANSWERS[step.stage](next(answers)))
    status, headers, body = _end(exchange, step, vector)
    record = exchange.finish(now=2.0).fields()
    return {
        "status": status,
        "headers": _joined(headers),
        "problem": json.loads(body) if body[:1] == b"{" else {},
        "reason": record.get("reason"),
        "outcome": record["outcome"],
        "record": record,
        "questions": questions,
    }


def _end(
    exchange: Exchange, step: Proceed | Respond, vector: Vector
) -> tuple[int | None, Headers, bytes]:
    """The answer: the policy's own, or the application's as the policy completes it."""
    for size in vector["request"].get("body", ()):
        if isinstance(step, Proceed):
            received = exchange.receive_body(size)
            assert not isinstance(received, Abort)
            step = received
    if isinstance(step, Respond):
        return step.head.status, step.head.headers, step.body
    own = vector.get("application", {})
    lines = [(encode(name), encode(value)) for name, value in own.get("headers", ())]
    head = exchange.response(ResponseHead(own.get("status", 200), lines))
    return head.status, head.headers, exchange.substitute or b""


def _joined(headers: Headers) -> dict[str, str]:
    """One value for each name, lines of one name joined (RFC 9110 5.3)."""
    joined: dict[str, str] = {}
    for raw_name, raw in headers:
        name, value = raw_name.decode().lower(), raw.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _compare(key: str, expected: Any, actual: Any) -> Iterator[str]:
    if isinstance(expected, Mapping):
        for name, wanted in expected.items():
            yield from _compare(f"{key}.{name}", wanted, actual.get(name))
    elif expected != actual:
        yield f"{key}: expected {expected!r}, got {actual!r}"
