"""Logs: one line per event on standard output, JSON for machines, colour for a terminal.

Everything goes one way: structlog's events and the records of the standard library's loggers
(the engines', Quart's) pass the same processors and leave through the same output.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any, Final, Literal, cast

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from portico.core.access import AccessRecord
from portico.core.settings.operations import TelemetrySettings
from portico.server.output import Output, output_of
from portico.server.requests import log_context

Context = Callable[[], Mapping[str, Any]]
Format = Literal["json", "console"]
# structlog takes any value from its last step, though its own type does not say so.
Step = Callable[[WrappedLogger, str, Any], Any]

# The engines' own start-up chatter repeats what `serve` prints, and migrations tell each step of
# their set-up; their warnings matter.
TALKATIVE: Final = ("hypercorn", "uvicorn", "granian", "_granian", "alembic")
MAX_FRAMES: Final = 30
SHORT_LINE: Final = 1024
SUMMARY: Final = ("timestamp", "duration_s", "outcome", "reason", "request_id")

# Characters that end a line, drive the terminal or turn the text around (CVE-2021-42574).
_CONTROL: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
_BIDI: Final = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE: Final = {code: f"\\u{code:04x}" for code in (*_CONTROL, *_BIDI)}
_VISIBLE_BLOCK: Final = {code: text for code, text in _VISIBLE.items() if chr(code) not in "\n\t"}

_encode_fast: Final = msgspec.json.Encoder(enc_hook=repr).encode
# ASCII output escapes everything above at once, and lone surrogates with it.
_encode_safe: Final = JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=repr).encode
describe_exception: Final = structlog.processors.ExceptionRenderer(
    ExceptionDictTransformer(show_locals=False, max_frames=MAX_FRAMES, use_rich=False)
)


@dataclass(frozen=True, slots=True)
class Logs:
    """Where events and access records go, and how they look there.

    Attributes:
        output: The descriptor that takes the lines.
        format: `json` or `console`.
        context: Gives the request's identifiers inside a request, and nothing outside.
    """

    output: Output
    format: Format
    context: Context

    def processors(self) -> list[Step]:
        """Give the steps that one event passes, the last one making its line."""
        steps: list[Step] = [
            structlog.contextvars.merge_contextvars,
            self.add_context,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        if self.format == "json":
            return [*steps, describe_exception, render_json]
        return [*steps, structlog.processors.format_exc_info, *self.console_steps()]

    def console_steps(self) -> list[Step]:
        """Give the steps that make a console line of what is otherwise complete."""
        console = structlog.dev.ConsoleRenderer(colors=self.output.is_terminal())
        return [show_controls, console, end_line]

    def add_context(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Add the request's identifiers; what the event says itself wins."""
        for key, value in self.context().items():
            event.setdefault(key, value)
        return event

    def recorder(self) -> Callable[[AccessRecord], None]:
        """Give what writes access records; the log level does not hold these back.

        A record is not a message: there is one for each request, whatever happened.
        """
        write = self.output.write
        if self.format == "json":
            return lambda record: write(access_line(record))
        steps = self.console_steps()
        return lambda record: write(run(steps, "info", summarise(record.fields())))

    def configure(self, level: str) -> None:
        """Send structlog's events and the standard library's records this way.

        Args:
            level: The lowest level that is written, as telemetry.log_level has it.
        """
        lowest = logging.getLevelNamesMapping()[level.upper()]
        steps = self.processors()
        structlog.configure(
            processors=steps,
            wrapper_class=structlog.make_filtering_bound_logger(lowest),
            logger_factory=lambda *_: LineLogger(self.output),
            cache_logger_on_first_use=False,
        )
        adopt_standard_loggers(Bridge(steps, self.output), lowest)


def logs_for(telemetry: TelemetrySettings) -> Logs:
    """Choose how this process logs: on a terminal for its reader, else for machines."""
    output = output_of()
    form: Format = "console" if output.is_terminal() else "json"
    return Logs(output, telemetry.log_format or form, log_context)


def configure(telemetry: TelemetrySettings) -> None:
    """Make every logger of this process write as the settings say, before an engine starts."""
    logs_for(telemetry).configure(telemetry.log_level)


class LineLogger:
    """The end of structlog's chain: it writes the line that the chain rendered."""

    __slots__ = ("_output",)

    def __init__(self, output: Output) -> None:
        self._output = output

    def msg(self, line: bytes) -> None:
        """Write the rendered line."""
        self._output.write(line)

    debug = info = warning = error = critical = msg


class Bridge(logging.Handler):
    """Takes the standard library's records through the same processors."""

    def __init__(self, steps: Sequence[Step], output: Output) -> None:
        super().__init__()
        self._steps = steps
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Render *record* as an event and write it."""
        try:
            self._output.write(self.render(record))
        except Exception:
            self.handleError(record)

    def render(self, record: logging.LogRecord) -> bytes:
        """Make the line of *record*."""
        event: EventDict = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        return run(self._steps, record.levelname.lower(), event)


def adopt_standard_loggers(handler: logging.Handler, level: int) -> None:
    """Make *handler* the only one, so that no line is written twice or past the format."""
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    quiet = level if level <= logging.DEBUG else max(level, logging.WARNING)
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(quiet)


def run(steps: Sequence[Step], level: str, event: EventDict) -> bytes:
    """Pass *event* through *steps*, the last of which makes its line."""
    value: Any = event
    for step in steps:
        value = step(None, level, value)
    return cast("bytes", value)


def access_line(record: AccessRecord) -> bytes:
    """Encode an access record, at most 8 KiB with its line end.

    Nearly every line is short: then nothing in it is to be cut, and msgspec halves its cost.
    """
    line = encode_line(record.fields())
    return line if len(line) <= SHORT_LINE else record.line()


def summarise(record: Mapping[str, Any]) -> EventDict:
    """Make the short form of an access record that a person reads on a terminal."""
    method, path, status = (
        record.get(key, "-")
        for key in ("http.request.method", "url.path", "http.response.status_code")
    )
    event = {key: record[key] for key in SUMMARY if record.get(key) is not None}
    return {"event": f"{method} {path} {status}", "level": "info", **event}


def show_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Make control characters visible; a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = value.translate(_VISIBLE_BLOCK if key == "exception" else _VISIBLE)
    return event


def render_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    """Make one line of JSON."""
    return encode_line(event)


def encode_line(fields: Mapping[str, Any]) -> bytes:
    """Encode *fields* as one line of JSON without a character that misleads a reader.

    Nearly every line is plain ASCII, which msgspec writes in an eighth of the time.
    """
    try:
        line = _encode_fast(fields)
    except UnicodeEncodeError:  # a lone surrogate
        return encode_ascii(fields)
    return line + b"\n" if line.isascii() and b"\x7f" not in line else encode_ascii(fields)


def encode_ascii(fields: Mapping[str, Any]) -> bytes:
    """Encode *fields* as one line with every other character escaped."""
    return _encode_safe(fields).replace("\x7f", "\\u007f").encode() + b"\n"


def end_line(_: WrappedLogger, __: str, text: str) -> bytes:
    """Make a console line of the rendered *text*."""
    return text.encode("utf-8", "backslashreplace") + b"\n"
