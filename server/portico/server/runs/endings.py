"""How turns end: what is told of it, and what is stored."""

from time import monotonic_ns
from typing import Any, Final

import structlog

from portico.core.settings.operations import TelemetrySettings
from portico.server.models.catalogue import ServiceKeyError
from portico.server.models.provider import ModelError
from portico.server.runs.frames import described, show_stop, show_usage
from portico.server.runs.live import LiveTurn
from portico.server.runs.turn import Ending

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()

STATUSES: Final = {"end_turn": "completed", "cancelled": "cancelled"}
STOPPED: Final = ModelError(
    "stream_incomplete", "The server was stopped before the turn was over; send the message again."
)
UNSTORED: Final = ModelError(
    "stream_incomplete", "The answer could not be stored, so the run has failed; try again later."
)
BROKEN: Final = ModelError("llm_error", "The turn failed; the server's log has the reason.")


def tell_end(turn: LiveTurn, error: ModelError | None, reason: str) -> None:
    """Emit the last events of *turn*."""
    if error is not None:
        turn.failed(error)
    elif reason == "cancelled":
        turn.cancelled()
    else:
        turn.complete(reason)


def result_of(turn: LiveTurn, reason: str) -> dict[str, Any]:
    """Give the answer to who waits for the whole turn."""
    return {
        "messages": [turn.said.show(turn.text)] if turn.pieces else [],
        "stop_reason": show_stop(reason),
        "usage": show_usage(turn.usage, turn.begun.run_id),
    }


def ending_of(
    turn: LiveTurn, error: ModelError | None, reason: str, kept: TelemetrySettings
) -> Ending:
    """Give all that is stored of the end of *turn*."""
    return Ending(
        status=STATUSES.get(reason, "failed"),
        stop_reason=reason,
        text=turn.text,
        message_id=turn.said.id,
        otid=turn.said.otid,
        usage=(turn.usage.prompt_tokens, turn.usage.completion_tokens),
        duration_ns=monotonic_ns() - turn.began_ns,
        ttft_ns=turn.ttft_ns,
        response=result_of(turn, reason),
        error=None if error is None else described(error),
        events=turn.unsaved() if turn.begun.run_id else (),
        keep_input=kept.track_errored_messages,
        with_reason=kept.track_stop_reason,
        with_last_run=kept.track_last_agent_run,
    )


def key_error(error: ServiceKeyError) -> ModelError:
    """Make the error of a service whose key cannot be read; the path is for the log alone."""
    log.error("model key unreadable", error=str(error))
    return ModelError("llm_authentication", "The key of the model's service cannot be read.")
