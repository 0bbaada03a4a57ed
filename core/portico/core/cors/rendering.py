"""An explanation as text for a person and as an object for a program."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from portico.core.cors.browser import Why
from portico.core.cors.explanation import Explanation, Remedy, Step, asked_headers
from portico.core.cors.fetch import SAFELISTED_METHODS

__all__ = ["SettingFact", "render_json", "render_text"]


class SettingFact(NamedTuple):
    """What is known of a setting: its value, where that comes from, and its variable's name."""

    value: object
    origin: str
    env: str | None = None


_NO_FACTS: Mapping[str, SettingFact] = {}

_TITLES = {
    "api": "blocked before anything is sent",
    "preflight": "blocked at the preflight",
    "actual": "blocked at the answer",
}

_FLAWS: dict[Why, str] = {
    "MissingAllowOrigin": "without Access-Control-Allow-Origin",
    "WildcardOriginNotAllowed": "with Access-Control-Allow-Origin: *, which credentials exclude",
    "AllowOriginMismatch": "with another origin in Access-Control-Allow-Origin",
    "MultipleAllowOriginValues": "with several values in Access-Control-Allow-Origin",
    "InvalidAllowOriginValue": "with an Access-Control-Allow-Origin that is no origin",
    "InvalidAllowCredentials": "without Access-Control-Allow-Credentials: true",
    "InvalidStatus": "which is no status of success",
    "MethodDisallowed": "without the method in Access-Control-Allow-Methods",
    "HeaderDisallowed": "without every name in Access-Control-Allow-Headers",
}


def render_text(explanation: Explanation, facts: Mapping[str, SettingFact] = _NO_FACTS) -> str:
    """Tell an explanation in a few lines.

    Args:
        explanation: From `explain`.
        facts: By path of the setting; those that are missing are named without their place.

    Returns:
        Lines without a final line end.
    """
    allowed = explanation.verdict == "allowed"
    title = "allowed" if allowed else _TITLES[explanation.stage]
    return "\n".join([title, *(f"  {line}" for line in _lines(explanation, facts))])


def _lines(explanation: Explanation, facts: Mapping[str, SettingFact]) -> Iterable[str]:
    client, last = explanation.client, explanation.stage
    flaw = "" if explanation.why is None else f" {_FLAWS.get(explanation.why, '')}"
    if explanation.preflight is not None:
        yield (
            f"a browser on {client.origin} sends OPTIONS first, because {_cause(explanation)}"
            " not safelisted"
        )
        yield _answer(explanation.preflight, flaw if last == "preflight" else "")
    if explanation.actual is not None:
        method = explanation.actual.request.method
        first = explanation.preflight is None
        yield f"a browser on {client.origin} sends {method}" if first else f"then it sends {method}"
        yield _answer(explanation.actual, flaw)
    if explanation.browser_error is not None:
        yield f"the browser reports {explanation.browser_error}"
    if explanation.chromium_deviates is not None:
        yield "Chromium lets it pass: to it * in Access-Control-Allow-Headers covers Authorization"
    for remedy in explanation.remedies:
        yield f"to allow it: {_advice(remedy, facts)}"


def _cause(explanation: Explanation) -> str:
    request = explanation.preflight.request if explanation.preflight else None
    headers = dict(request.headers) if request else {}
    method = headers.get(b"access-control-request-method", b"")
    if method not in SAFELISTED_METHODS:
        return f"{method.decode()} is"
    names = asked_headers(explanation.preflight)
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _answer(step: Step, flaw: str) -> str:
    status = step.response.status
    who = "the application answers" if status is None else f"the server answers {status}"
    return f"{who}{flaw}       reason: {step.response.reason}"


def _advice(remedy: Remedy, facts: Mapping[str, SettingFact]) -> str:
    if remedy.path is None:
        return remedy.action
    fact = facts.get(remedy.path)
    env = f" ({fact.env})" if fact and fact.env else ""
    now = f", now: {fact.origin}" if fact else ""
    return remedy.action.replace("{setting}", remedy.path + env) + now


def render_json(
    explanation: Explanation, facts: Mapping[str, SettingFact] = _NO_FACTS
) -> dict[str, object]:
    """Put an explanation into JSON's types.

    Args:
        explanation: From `explain`.
        facts: By path of the setting; those that are missing have null for value and origin.

    Returns:
        ``verdict``, ``stage``, ``browser_error``, ``reason``, ``preflight``, ``actual`` and
        ``settings``; besides them ``why``, ``chromium_deviates`` and ``remedies``.
    """
    return {
        "verdict": explanation.verdict,
        "stage": explanation.stage,
        "why": explanation.why,
        "browser_error": explanation.browser_error,
        "reason": explanation.reason,
        "preflight": _json_step(explanation.preflight),
        "actual": _json_step(explanation.actual),
        "settings": _json_settings(explanation, facts),
        "remedies": [_advice(remedy, {}) for remedy in explanation.remedies],
        "chromium_deviates": explanation.chromium_deviates,
    }


def _json_settings(
    explanation: Explanation, facts: Mapping[str, SettingFact]
) -> list[dict[str, object]]:
    unknown = SettingFact(None, "")
    named = [(path, facts.get(path, unknown)) for r in explanation.remedies if (path := r.path)]
    return [{"path": path, "value": f.value, "origin": f.origin or None} for path, f in named]


def _json_step(step: Step | None) -> dict[str, object] | None:
    if step is None:
        return None
    return {
        "request": {
            "method": step.request.method,
            "headers": _json_headers(step.request.headers),
        },
        "response": {
            "status": step.response.status,
            "headers": _json_headers(step.response.headers),
            "reason": step.response.reason,
        },
    }


def _json_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]
