"""What a turn shows: its messages as objects and as frames (reference-api.md, SSE)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from portico.core.sse import DONE, format_event
from portico.server.models.provider import ModelError, Usage


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the assistant: what all of its chunks have in common."""

    id: str
    otid: str
    run_id: str | None
    step_id: str
    date: datetime

    def show(self, text: str, sequence: int | None = None) -> dict[str, Any]:
        """Give the message with *text*, or one chunk of it."""
        return {
            "id": self.id,
            "date": show_date(self.date),
            "name": None,
            "message_type": "assistant_message",
            "otid": self.otid,
            "sender_id": None,
            "step_id": self.step_id,
            "is_err": None,
            "seq_id": sequence,
            "run_id": self.run_id,
            "content": text,
        }


def show_date(date: datetime) -> str:
    """Give *date* with its offset, in seconds."""
    return date.astimezone(UTC).isoformat(timespec="seconds")


def frame(content: Mapping[str, Any], *, event: str | None = None) -> bytes:
    """Frame one object."""
    return format_event(msgspec.json.encode(content).decode(), event=event)


def show_usage(usage: Usage, run_id: str | None) -> dict[str, Any]:
    """Give what a turn cost."""
    return {
        "message_type": "usage_statistics",
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "total_tokens": usage.total_tokens,
        "step_count": 1,
        "run_ids": [run_id] if run_id else None,
    }


def show_stop(reason: str) -> dict[str, Any]:
    """Give why a turn ended."""
    return {"message_type": "stop_reason", "stop_reason": reason}


def show_error(error: ModelError, run_id: str | None, sequence: int | None) -> dict[str, Any]:
    """Give what went wrong after a stream had begun."""
    return {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": error.error_type,
        "message": error.message,
        "detail": error.detail,
        "seq_id": sequence,
    }


def described(error: ModelError) -> dict[str, Any]:
    """Give what is stored of *error*."""
    return {"error_type": error.error_type, "message": error.message, "detail": error.detail}


def failure(
    error: ModelError, reason: str, run_id: str | None, sequence: int | None
) -> tuple[bytes, bytes, bytes]:
    """Frame what ends a stream that failed; *sequence* is the number of the error's event."""
    shown = show_error(error, run_id, sequence)
    return frame(show_stop(reason)), frame(shown, event="error"), DONE


def show_ping(run_id: str | None, seen: int | None, ping_id: str, date: datetime) -> dict[str, Any]:
    """Give a ping, by which a reader knows the run and how far it has come."""
    return {
        "id": ping_id,
        "date": show_date(date),
        "message_type": "ping",
        "run_id": run_id,
        "seq_id": seen,
    }
