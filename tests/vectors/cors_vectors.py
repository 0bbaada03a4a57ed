"""Checks one vector of the CORS format: decide, config, merge or scenario."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from portico.core.cors import (
    ClientRequest,
    CorsConfig,
    CorsConfigErrors,
    CorsPolicy,
    explain,
    merge,
)
from portico.core.events import RequestHead

Vector = Mapping[str, Any]


def check(vector: Vector) -> list[str]:
    """Compare what the code says with what a vector expects.

    Returns:
        One line for each difference; none when they agree.

    Raises:
        ValueError: The vector is of no known type.
    """
    checker = _CHECKERS.get(vector.get("type", ""))
    if checker is None:
        raise ValueError(f"unknown type of vector: {vector.get('type')!r}")
    return checker(vector)


def config_of(policy: Vector) -> CorsConfig:
    """The configuration that a vector's ``policy`` object stands for."""
    fields: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in policy.items()
    }
    return CorsConfig(**fields)


def policy_of(policy: Vector) -> CorsPolicy:
    """The policy that a vector's ``policy`` object compiles to."""
    return CorsPolicy.compile(config_of(policy), _public_suffixes().is_public)


@cache
def _public_suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def head_of(request: Vector) -> RequestHead:
    """The request head, its names in lower case as every engine gives them."""
    headers = [(_bytes(name).lower(), _bytes(value)) for name, value in request["headers"]]
    return RequestHead(request["method"], b"/", b"", headers, kind=request["kind"])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _differences(expected: Vector, actual: Vector) -> list[str]:
    return [
        f"{key}: expected {wanted!r}, got {actual[key]!r}"
        for key, wanted in expected.items()
        if actual[key] != wanted
    ]


def _check_decide(vector: Vector) -> list[str]:
    decision = policy_of(vector["policy"]).decide(head_of(vector["request"]))
    lines = [(name.decode(), value.decode("latin-1")) for name, value in decision.headers]
    repeated = len(lines) - len(dict(lines))
    actual = {
        "kind": decision.kind,
        "allowed": decision.allowed,
        "status": decision.status,
        "headers": _comparable(dict(lines)),
        "reason": decision.reason,
    }
    expected = {**vector["expect"], "headers": _comparable(vector["expect"]["headers"])}
    return _differences(expected, actual) + [f"{repeated} repeated lines"] * bool(repeated)


def _comparable(headers: Mapping[str, str]) -> dict[str, object]:
    """Vary is a set of names, whatever their order and case."""
    return {
        name: sorted(item.strip().lower() for item in value.split(",")) if name == "vary" else value
        for name, value in headers.items()
    }


def _check_config(vector: Vector) -> list[str]:
    codes: list[str] = []
    try:
        policy_of(vector["policy"])
    except CorsConfigErrors as problem:
        codes = [error.code for error in problem.errors]
    return _differences(vector["expect"], {"errors": codes})


def _check_merge(vector: Vector) -> list[str]:
    ours = tuple((_bytes(k), _bytes(v)) for k, v in vector["decision_headers"].items())
    theirs = [(_bytes(name), _bytes(value)) for name, value in vector["app_headers"]]
    merged = [[name.decode(), value.decode()] for name, value in merge(ours, theirs)]
    again = merge(ours, [(_bytes(name), _bytes(value)) for name, value in merged])
    repeated = [[name.decode(), value.decode()] for name, value in again]
    found = _differences(vector["expect"], {"headers": merged})
    return found + ["merging again changes it"] * (repeated != merged)


def _check_scenario(vector: Vector) -> list[str]:
    client = vector["client"]
    explanation = explain(
        policy_of(vector["policy"]),
        ClientRequest(
            vector["origin"],
            client["method"],
            tuple((name, value) for name, value in client["headers"]),
            client["credentials"],
        ),
    )
    actual = {
        "verdict": explanation.verdict,
        "stage": explanation.stage,
        "why": explanation.why,
        "browser_error": explanation.browser_error,
        "reason": explanation.reason,
        "chromium_deviates": explanation.chromium_deviates,
    }
    expected = {**vector["expect"], "chromium_deviates": _verdict(vector["chromium_deviates"])}
    return _differences(expected, actual)


def _verdict(deviation: str | Vector | None) -> str | None:
    """Chromium's verdict, written alone or as part of a whole expectation."""
    return deviation["verdict"] if isinstance(deviation, Mapping) else deviation


_CHECKERS: dict[str, Callable[[Vector], list[str]]] = {
    "decide": _check_decide,
    "config": _check_config,
    "merge": _check_merge,
    "scenario": _check_scenario,
}
