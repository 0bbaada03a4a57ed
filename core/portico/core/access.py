"""The access record: what became of one request, in names that telemetry tools know.

Source: design page "Policy", Access record; OpenTelemetry semantic conventions for HTTP
(https://opentelemetry.io/docs/specs/semconv/registry/attributes/); OWASP Logging Cheat Sheet.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote_from_bytes

from portico.core.context import LogContext
from portico.core.events import RequestHead
from portico.core.tracing import Trace

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["MAX_LINE", "SHOWN_PARAMETERS", "AccessRecord", "Outcome", "format_timestamp"]

MAX_LINE: Final = 8192
"""Bytes of one line, its line end included."""

Fields = dict[str, str | int | float]


class Outcome(StrEnum):
    """How a request ended."""

    COMPLETED = "completed"
    REFUSED = "refused"
    CLIENT_DISCONNECTED = "client_disconnected"
    ERROR = "error"
    CANCELLED = "cancelled"


_COMPLETED: Final = Outcome.COMPLETED  # members are slow to look up on their enumeration

SHOWN_PARAMETERS: Final = frozenset(
    {
        *("after", "ascending", "before", "cursor", "limit", "offset", "order", "order_by"),
        *("page", "per_page", "sort", "sort_by", "starting_after", "verbose"),
        *("agent_id", "block_id", "conversation_id", "file_id", "folder_id", "group_id"),
        *("identity_id", "job_id", "message_id", "project_id", "run_id", "step_id", "tool_id"),
    }
)
"""Query parameters that are shown; of all others neither name nor value is."""

# What may stand for itself in a shown URL: printable ASCII, the per cent sign of escapes too.
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_TEXT_LIMITS: Final = (1024, 256, 32)
"""Characters kept of each text; a smaller one is tried while the line is too long."""
_MAX_OCTETS: Final = 4 * _TEXT_LIMITS[0] + 4  # more than is ever kept, in UTF-8


class AccessRecord(NamedTuple):
    """One request, whatever happened to it. Cheap to make; `line` and `fields` do the work.

    Attributes:
        head: The request.
        client: The client's address, as trusted proxies tell it, or None.
        wall: Unix time of its arrival, in seconds.
        request_id: Its id.
        trace: Its place in a trace.
        context: The identifiers that it names.
        cors: Reason code of the CORS decision.
        outcome: How it ended.
        reason: Why it was refused or failed, or None.
        status: Status of the answer, or None where none was begun.
        route: Template of the route that served it, or None.
        principal: Who authenticated, or None.
        duration_s: Seconds from arrival to end.
        ttfb_s: Seconds from arrival to the answer's head, or None.
        request_bytes: Bytes of the request's body that were read.
        response_bytes: Bytes of the answer's body that were sent.
        peer: The transport's client address, or None.
        forwarded: ``ignored`` where an untrusted peer sent proxies' headers, else None.
    """

    head: RequestHead
    client: str | None
    wall: float
    request_id: str
    trace: Trace
    context: LogContext
    cors: str
    outcome: Outcome
    reason: str | None
    status: int | None
    route: str | None
    principal: str | None
    duration_s: float
    ttfb_s: float | None
    request_bytes: int
    response_bytes: int
    peer: str | None = None
    forwarded: str | None = None

    @classmethod
    def of(
        cls, exchange: "Exchange", now: float, outcome: Outcome, reason: str | None
    ) -> "AccessRecord":
        """Record *exchange* as it ends.

        Args:
            exchange: What happened.
            now: Monotonic seconds.
            outcome: How it ended.
            reason: Stable code in place of the exchange's own, or None.
        """
        duration_s = max(0.0, now - exchange.arrived)
        return cls(
            exchange.head,
            exchange.client,
            exchange.wall,
            exchange.request_id,
            exchange.trace,
            exchange.context,
            exchange.cors.reason,
            outcome,
            None if outcome is _COMPLETED else reason or exchange.reason,
            exchange.status,
            exchange.route,
            exchange.principal,
            duration_s,
            _ttfb(exchange, duration_s),
            exchange.request_bytes,
            exchange.response_bytes,
            exchange.peer,
            exchange.forwarded,
        )

    def fields(self) -> Fields:
        """Give the record's names and values, in the order in which they are written."""
        head = self.head
        fields: dict[str, str | int | float | None] = {
            "event": "access",
            "timestamp": format_timestamp(self.wall),
            "outcome": self.outcome.value,
            "reason": self.reason,
            "request_id": self.request_id,
            "trace_id": self.trace.trace_id,
            "span_id": self.trace.span_id,
            "http.request.method": head.method,
            "url.scheme": head.scheme,
            "url.path": _show_path(head.path),
            "url.query": _show_query(head.query),
            "http.route": self.route,
            "http.response.status_code": self.status,
            "network.protocol.version": head.http_version,
            "client.address": self.client,
            "network.peer.address": self.peer if self.peer != self.client else None,
            "forwarded": self.forwarded,
            "user_agent.original": _user_agent(head),
            "duration_s": round(self.duration_s, 6),
            "ttfb_s": None if self.ttfb_s is None else round(self.ttfb_s, 6),
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "cors": self.cors,
            "principal": self.principal,
            **self.context,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def line(self) -> bytes:
        """Give the record as one line of JSON, at most `MAX_LINE` bytes with its line end.

        It is ASCII: whatever could end a line, drive a terminal or turn its text around is
        escaped. Long texts are cut, all to the same length, and end in an ellipsis.
        """
        fields = self.fields()
        lines = (_encode(fields, limit) for limit in _TEXT_LIMITS)
        return next(line for line in lines if len(line) <= MAX_LINE)


def _ttfb(exchange: "Exchange", duration_s: float) -> float | None:
    """Give the time to the answer's head; the policy's own answers take no time to begin."""
    if exchange.first_byte is not None:
        return max(0.0, exchange.first_byte - exchange.arrived)
    return None if exchange.status is None else duration_s


def _encode(fields: Mapping[str, str | int | float], limit: int) -> bytes:
    cut = {name: _cut(value, limit) for name, value in fields.items()}
    text = json.dumps(cut, ensure_ascii=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _cut(value: str | int | float, limit: int) -> str | int | float:
    if isinstance(value, str) and len(value) > limit:
        return value[:limit] + "…"
    return value


def _show_path(path: bytes) -> str:
    return quote_from_bytes(path[:_MAX_OCTETS], safe=_PRINTABLE)


def _show_query(query: bytes) -> str | None:
    """Show the parameters that are on the list, as they were sent."""
    shown = [
        quote_from_bytes(pair, safe=_PRINTABLE)
        for pair in query.split(b"&")
        if pair.partition(b"=")[0].decode("latin-1") in SHOWN_PARAMETERS
    ]
    return "&".join(shown) or None


def _user_agent(head: RequestHead) -> str | None:
    values = (value for name, value in head.headers if name == b"user-agent")
    value = next(values, None)
    return None if value is None else value[:_MAX_OCTETS].decode("utf-8", "backslashreplace")


_DAY_S: Final = 86400


def format_timestamp(wall: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC, with microseconds.

    The core may not import ``datetime``, whose clock it must not read.
    """
    seconds, microseconds = divmod(round(wall * 1_000_000), 1_000_000)
    days, second = divmod(seconds, _DAY_S)
    year, month, day = _civil(days)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    clock = f"{hour:02}:{minute:02}:{second:02}.{microseconds:06}"
    return f"{year:04}-{month:02}-{day:02}T{clock}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Turn days since 1970-01-01 into year, month and day.

    Its years begin in March and its eras have 400 of them.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day_of_year - (153 * shifted + 2) // 5 + 1
