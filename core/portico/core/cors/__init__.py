"""Cross-Origin Resource Sharing: the policy's decisions, and what browsers make of them.

The explanation is loaded when it is first asked for: a server decides and never explains.
"""

from typing import TYPE_CHECKING

from portico.core.cors.config import CorsConfig, CorsConfigError, CorsConfigErrors
from portico.core.cors.decision import CorsDecision, HeaderLines, Kind, Reason
from portico.core.cors.merging import merge
from portico.core.cors.policy import CorsPolicy

if TYPE_CHECKING:
    from portico.core.cors.browser import (
        ClientRequest,
        Verdict,
        actual_request,
        judge_actual,
        judge_method,
        judge_preflight,
        preflight_request,
    )
    from portico.core.cors.explanation import Decider, Explanation, Remedy, Step, explain
    from portico.core.cors.rendering import SettingFact, render_json, render_text

__all__ = [
    "ClientRequest",
    "CorsConfig",
    "CorsConfigError",
    "CorsConfigErrors",
    "CorsDecision",
    "CorsPolicy",
    "Decider",
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


def __getattr__(name: str) -> object:
    """Load what explains (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import portico.core.cors.browser as browser
    import portico.core.cors.explanation as explanation
    import portico.core.cors.rendering as rendering

    owner = next(m for m in (browser, explanation, rendering) if name in m.__all__)
    return getattr(owner, name)
