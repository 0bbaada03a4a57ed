"""Checks one vector of the request policy.

A vector has an ``id`` and:

- ``settings``: typed values by path; secrets as their text, durations in seconds. Empty without.
- ``routes``: the flags of `Route`, by name. Empty without.
- ``peer``: the transport's client address, or null. 192.0.2.1 without.
- ``in_flight``: requests that the worker has already. 0 without.
- ``codings``: content codings that the shell can make. None without.
- ``keys``: text of the keys file, where the policy has one.
- ``request``: ``method``, ``path``, ``query``, ``headers``, ``kind``, ``scheme``, ``http_version``
  and ``body``, the sizes of its pieces. GET of ``/`` with a Host without.
- ``answers``: what the shell answers to each question, in turn, as
  `portico.testing.vectors.ANSWERS` reads it. What a worker counts by itself is not asked of it:
  at the beginning of a vector nothing is counted.
- ``application``: the application's answer: ``status``, ``headers``. A 200 without headers without.
- ``expect``: what must come of it; only the keys that are there are compared. ``status``;
  ``headers``, by name, null for one that must be absent; ``reason``; ``outcome``; ``problem``,
  members of the problem body; ``record``, members of the access record, null for absent ones;
  ``questions``, the stages that asked.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from portico.core.events import Ask, Headers
from portico.testing.reference import perform
from portico.testing.requests import application_of, request_of
from portico.testing.vectors import Vector, find_of, policy_of


def check(vector: Vector) -> list[str]:
    """Compare what the policy does with what a vector expects; one line for each difference."""
    actual = outcome_of(vector)
    expect = vector["expect"]
    unknown = [f"unknown expectation: {key}" for key in expect if key not in actual]
    return unknown + [
        line for key in expect if key in actual for line in _compare(key, expect[key], actual[key])
    ]


def outcome_of(vector: Vector) -> dict[str, Any]:
    """Take a vector's request through its policy."""
    questions: list[str] = []
    find = find_of(vector)

    def find_noted(ask: Ask) -> object:
        questions.append(ask.stage)
        return find(ask)

    answer = perform(policy_of(vector), application_of(vector), find_noted, request_of(vector))
    (record,) = answer.records
    return {
        "status": answer.status,
        "headers": _joined(answer.headers),
        "problem": json.loads(answer.body) if answer.body[:1] == b"{" else {},
        "reason": record.get("reason"),
        "outcome": record["outcome"],
        "record": record,
        "questions": questions,
    }


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
