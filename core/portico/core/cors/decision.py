"""What the policy says about one request."""

from typing import Literal, NamedTuple, TypeAlias

__all__ = ["CorsDecision", "HeaderLines", "Kind", "Reason"]

HeaderLines: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Response field lines, names lower-case; shared between decisions, never changed."""

Kind: TypeAlias = Literal["not_cors", "actual", "preflight", "websocket"]

Reason: TypeAlias = Literal[
    "no_origin",
    "preflight_without_origin",
    "origin_any",
    "origin_exact",
    "origin_pattern",
    "origin_not_allowed",
    "origin_null_allowed",
    "origin_null_denied",
    "origin_malformed",
    "origin_multiple",
    "preflight_ok",
    "method_not_allowed",
    "method_case_mismatch",
    "method_forbidden",
    "header_not_allowed",
    "authorization_not_covered_by_wildcard",
    "acrm_multiple",
    "acrm_malformed",
    "acrh_malformed",
    "acrh_too_large",
    "websocket_no_origin",
]
"""Stable codes, as they stand in access records and explanations."""


class CorsDecision(NamedTuple):
    """What to answer, or what to add to the application's answer.

    A tuple, because answers to patterns and preflights are built for each request, and a tuple
    costs a third of a frozen dataclass.

    Attributes:
        kind: What the request is to the CORS protocol.
        allowed: Whether a browser will let it pass; None where CORS has no say.
        status: The status to answer at once, or None where the application answers.
        headers: Lines for `merge`, or for the answer itself when *status* is given.
        reason: Why.
    """

    kind: Kind
    allowed: bool | None
    status: int | None
    headers: HeaderLines
    reason: Reason
