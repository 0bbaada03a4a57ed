"""Why a browser lets a request pass or blocks it, and which setting to change."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from portico.core.cors.browser import (
    ClientRequest,
    Stage,
    Verdict,
    Why,
    actual_request,
    judge_actual,
    judge_method,
    judge_preflight,
    preflight_request,
)
from portico.core.cors.config import CorsConfig
from portico.core.cors.decision import CorsDecision, Reason
from portico.core.events import RequestHead

__all__ = ["Decider", "Explanation", "Remedy", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what the policy says to it."""

    request: RequestHead
    response: CorsDecision


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that would let the request pass.

    Attributes:
        action: What to do; ``{setting}`` stands for the setting.
        path: The setting to change, or None where the page must change.
    """

    action: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a browser does with a request, and why.

    Attributes:
        client: The request.
        verdict: Whether the page gets to read the answer.
        stage: Where it ends: in ``fetch`` itself, at the preflight, or at the answer.
        why: The standard's failure, or None.
        browser_error: Chromium's ``corsErrorStatus.corsError`` for it; None where it has none.
        reason: The policy's own code at that stage; None in ``fetch`` itself.
        preflight: None when the browser sends none.
        actual: None when the browser does not get there.
        remedies: What would let it pass, all of them together.
        chromium_deviates: Chromium's verdict where it is not the standard's.
    """

    client: ClientRequest
    verdict: Literal["allowed", "blocked"]
    stage: Stage
    why: Why | None
    browser_error: str | None
    reason: Reason | None
    preflight: Step | None
    actual: Step | None
    remedies: tuple[Remedy, ...]
    chromium_deviates: Literal["allowed"] | None


class Decider(Protocol):
    """What answers an explanation's requests: a policy, or someone who asks a running server."""

    @property
    def config(self) -> CorsConfig:
        """The configuration that remedies refer to."""

    def decide(self, head: RequestHead) -> CorsDecision:
        """Answer one request."""


def explain(policy: Decider, client_request: ClientRequest) -> Explanation:
    """Follow a request through a browser and the policy.

    Args:
        policy: The compiled policy, or what stands for it.
        client_request: What the page asks for.

    Returns:
        The explanation; settings are named by path, their values are the caller's to add.
    """
    verdict = judge_method(client_request)
    if verdict.why is not None:
        return _conclude(policy, client_request, verdict, "api", None, None)
    preflight = _step(policy, preflight_request(client_request))
    if preflight is not None:
        answer = preflight.response
        # Without a policy of CORS the application answers OPTIONS: no CORS header, whatever else.
        verdict = judge_preflight(client_request, answer.status or 200, answer.headers)
        if verdict.why is not None:
            return _conclude(policy, client_request, verdict, "preflight", preflight, None)
    request = actual_request(client_request)
    actual = Step(request, policy.decide(request))
    verdict = judge_actual(client_request, actual.response.headers)
    return _conclude(policy, client_request, verdict, "actual", preflight, actual)


def _step(policy: Decider, request: RequestHead | None) -> Step | None:
    return None if request is None else Step(request, policy.decide(request))


def _conclude(
    policy: Decider,
    client: ClientRequest,
    verdict: Verdict,
    stage: Stage,
    preflight: Step | None,
    actual: Step | None,
) -> Explanation:
    last = actual or preflight
    reason = None if last is None else last.response.reason
    why = verdict.why
    return Explanation(
        client=client,
        verdict="allowed" if why is None else "blocked",
        stage=stage,
        why=why,
        browser_error=None if why is None else browser_error(why, stage),
        reason=reason,
        preflight=preflight,
        actual=actual,
        remedies=() if why is None else _remedies(policy, client, why, reason, preflight),
        chromium_deviates="allowed" if verdict.chromium_allows else None,
    )


_CHROMIUM_NAMES: dict[Why, str] = {
    "MissingAllowOrigin": "MissingAllowOriginHeader",
    "MethodDisallowed": "MethodDisallowedByPreflightResponse",
    "HeaderDisallowed": "HeaderDisallowedByPreflightResponse",
}


def browser_error(why: Why, stage: Stage) -> str | None:
    """Chromium's ``corsErrorStatus.corsError`` for a failure of the standard.

    Source: Chrome DevTools Protocol, Network.CorsError.
    """
    if why == "ForbiddenMethod":
        return None
    name = _CHROMIUM_NAMES.get(why, why)
    preflight = stage == "preflight" and why not in ("MethodDisallowed", "HeaderDisallowed")
    return f"Preflight{name}" if preflight else name


_Remedies: TypeAlias = tuple[Remedy, ...]

_LIST_ORIGIN = Remedy("add {origin} to {setting}", "cors.extra_origins")
_ALLOW_CREDENTIALS = Remedy("set {setting} to true", "cors.allow_credentials")
_FORGO_CREDENTIALS = Remedy(
    "set {setting} to false, since null excludes it", "cors.allow_credentials"
)
_SEND_NONE = Remedy("send the request without credentials, which null never gets")

# What no change of the lists mends goes before the policy's reason.
_BY_WHY: dict[Why, _Remedies] = {
    "ForbiddenMethod": (Remedy("use another method: no browser sends {method} for a page"),),
    "WildcardOriginNotAllowed": (
        Remedy("list {origin} instead of * in {setting}", "cors.origins"),
    ),
    "AllowOriginMismatch": (Remedy("set {setting} to false", "cors.static_origin"), _LIST_ORIGIN),
}

_BY_REASON: dict[Reason, _Remedies] = {
    "origin_not_allowed": (_LIST_ORIGIN,),
    "origin_null_denied": (Remedy("set {setting} to true", "cors.allow_null"),),
    "origin_malformed": (Remedy("give the origin as browsers write it: scheme://host[:port]"),),
    "method_not_allowed": (Remedy("add {method} to {setting}", "cors.methods"),),
    "method_case_mismatch": (
        Remedy("write the method as {setting} has it: browsers keep its case", "cors.methods"),
    ),
    "header_not_allowed": (Remedy("add {headers} to {setting}", "cors.request_headers"),),
    "authorization_not_covered_by_wildcard": (
        Remedy("add Authorization to {setting}, which * does not cover", "cors.request_headers"),
    ),
    "acrh_too_large": (Remedy("send fewer headers: the preflight asks for too many"),),
}


def _remedies(
    policy: Decider, client: ClientRequest, why: Why, reason: Reason | None, asked: Step | None
) -> _Remedies:
    found = _BY_WHY.get(why, ())
    if not found and reason is not None:
        found = _BY_REASON.get(reason, ())
    if why != "ForbiddenMethod":
        found += _credential_remedies(policy, client)
    words = {
        "origin": client.origin,
        "method": client.method,
        "headers": ", ".join(asked_headers(asked)),
        "setting": "{setting}",
    }
    return tuple(Remedy(remedy.action.format_map(words), remedy.path) for remedy in found)


def _credential_remedies(policy: Decider, client: ClientRequest) -> _Remedies:
    """What credentials need besides (#cors-protocol-and-credentials)."""
    if client.origin == "null":
        forgo = (_FORGO_CREDENTIALS,) if policy.config.credentials else ()
        return (*forgo, _SEND_NONE) if client.credentials == "include" else forgo
    missing = client.credentials == "include" and not policy.config.credentials
    return (_ALLOW_CREDENTIALS,) if missing else ()


def asked_headers(preflight: Step | None) -> list[str]:
    """The header names that a preflight asks for."""
    if preflight is None:
        return []
    values = [v for k, v in preflight.request.headers if k == b"access-control-request-headers"]
    return [name for value in values for name in value.decode().split(",")]
