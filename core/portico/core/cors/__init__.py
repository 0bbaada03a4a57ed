"""Cross-Origin Resource Sharing: the policy's decisions, and what browsers make of them."""

from portico.core.cors.browser import (
    ClientRequest,
    Verdict,
    actual_request,
    judge_actual,
    judge_method,
    judge_preflight,
    preflight_request,
)
from portico.core.cors.config import CorsConfig, CorsConfigError, CorsConfigErrors
from portico.core.cors.decision import CorsDecision, HeaderLines, Kind, Reason
from portico.core.cors.explanation import Explanation, Remedy, Step, explain
from portico.core.cors.merging import merge
from portico.core.cors.policy import CorsPolicy
from portico.core.cors.rendering import SettingFact, render_json, render_text

__all__ = [
    "ClientRequest",
    "CorsConfig",
    "CorsConfigError",
    "CorsConfigErrors",
    "CorsDecision",
    "CorsPolicy",
    "Explanation",
    "HeaderLines",
    "Kind",
    "Reason",
    "Remedy",
    "SettingFact",
    "Step",
    "Verdict",
    "actual_request",
    "explain",
    "judge_actual",
    "judge_method",
    "judge_preflight",
    "merge",
    "preflight_request",
    "render_json",
    "render_text",
]
