"""Kinds of values: how a setting's text is read, refused and written again."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from portico.core.settings.secret import Secret

V = TypeVar("V")

Note = tuple[str, str]
"""A warning met while reading a value: its code and its sentence."""


class RefusalError(ValueError):
    """The text is not of the setting's kind or range.

    Attributes:
        message: What it must be; it never repeats the text of a secret.
        suggestion: What was probably meant, or None.
        code: The code of the finding that it becomes.
    """

    def __init__(
        self, message: str, suggestion: str | None = None, code: str = "bad-value"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.code = code


def format_plain(value: object) -> str:
    """Write *value* as its kind would read it again, for kinds without a form of their own."""
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[V]):
    """One kind of value.

    Attributes:
        name: What documentation calls it.
        parse: Reads text, already without outer space, and appends to the notes; raises
            :class:`RefusalError`.
        format: Writes a value as text that :attr:`parse` reads again.
        schema: JSON Schema of the value in the configuration file.
        choices: The values of an enumeration, for completion and suggestions.
        literal: The text is taken as it stands, so that outer quotes belong to it.
        secret: The text is never shown; where it is literal too, its outer space counts.
        parse_items: Reads the items of a sequence, or None where one value belongs.
        item: The kind of a list's items, or None.
        composite: The value has parts of its own and stands in the configuration file only.
    """

    name: str
    parse: Callable[[str, list[Note]], V]
    format: Callable[[object], str] = format_plain
    schema: Mapping[str, object] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    literal: bool = False
    secret: bool = False
    parse_items: Callable[[Sequence[Any], list[Note]], V] | None = None
    item: "Kind[Any] | None" = None
    composite: bool = False

    @property
    def taken_whole(self) -> bool:
        """Outer space belongs to the text, as in a password."""
        return self.secret and self.literal


def schema(**keys: object) -> Mapping[str, object]:
    """Hold a fragment of JSON Schema."""
    return MappingProxyType(keys)


def parse_text(text: str, _notes: list[Note]) -> str:
    """Take the text as it stands."""
    return text


TEXT: Final = Kind("text", parse_text, schema=schema(type="string"), literal=True)


def parse_path(text: str, _notes: list[Note]) -> str:
    """Read a path; whether it exists is not the core's to know."""
    if not text:
        raise RefusalError("must be a path")
    return text


PATH: Final = Kind("path", parse_path, schema=schema(type="string", minLength=1), literal=True)


def parse_secret(text: str, _notes: list[Note]) -> Secret:
    """Hide the text."""
    if not text.strip():
        raise RefusalError("must not be blank")
    return Secret(text)


SECRET: Final = Kind(
    "secret", parse_secret, schema=schema(type="string"), literal=True, secret=True
)

_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def parse_boolean(text: str, _notes: list[Note]) -> bool:
    """Read true/false, yes/no, on/off or 1/0, in any case."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise RefusalError("must be true or false (also yes/no, on/off, 1/0)")
    return value


def format_boolean(value: object) -> str:
    """Write true or false."""
    return "" if value is None else str(value).lower()


BOOLEAN: Final = Kind(
    "boolean", parse_boolean, format_boolean, schema(type="boolean"), ("true", "false")
)

_MOST_DIGITS: Final = 19
COUNT_MAX: Final = 2**31 - 1
SIZE_MAX: Final = 2**53


def _read_integer(text: str) -> int | None:
    """Read ASCII digits with an optional sign, or say no; absurd lengths read as out of range."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0") or "0"
    value = 10**_MOST_DIGITS if len(digits) > _MOST_DIGITS else int(digits)
    return -value if text[0] == "-" else value


def integer(name: str, low: int, high: int, what: str) -> Kind[int]:
    """Make a kind of whole numbers from *low* to *high*, refused with *what* they must be."""

    def parse(text: str, _notes: list[Note]) -> int:
        value = _read_integer(text)
        if value is None or not low <= value <= high:
            raise RefusalError(what)
        return value

    return Kind(name, parse, schema=schema(type="integer", minimum=low, maximum=high))


def count(low: int) -> Kind[int]:
    """Make a kind of whole numbers from *low* up."""
    return integer("count", low, COUNT_MAX, f"must be a whole number, {low} or more")


PORT: Final = integer("port", 0, 65535, "must be a port from 0 to 65535")
REMOTE_PORT: Final = integer("port", 1, 65535, "must be a port from 1 to 65535")
OK_STATUS: Final = integer("status", 200, 299, "must be a status from 200 to 299")


def parse_workers(text: str, _notes: list[Note]) -> object:
    """Read a count of workers or ``auto``."""
    value = _read_integer(text)
    if text.lower() == "auto":
        return "auto"
    if value is None or not 1 <= value <= COUNT_MAX:
        raise RefusalError("must be a whole number, 1 or more, or auto")
    return value


WORKERS: Final = Kind(
    "count or auto",
    parse_workers,
    schema=schema(anyOf=[{"type": "integer", "minimum": 1}, {"const": "auto"}]),
    choices=("auto",),
)


def choice(*values: str) -> Kind[str]:
    """Make an enumeration; case folds to the spelling given here."""
    folded = {value.lower(): value for value in values}

    def parse(text: str, _notes: list[Note]) -> str:
        value = folded.get(text.lower())
        if value is None:
            raise RefusalError(f"must be one of {', '.join(values)}")
        return value

    return Kind("choice", parse, schema=schema(enum=list(values)), choices=values)


_RATE: Final = (
    r"([1-9][0-9]{0,8})/(s|sec|second|m|min|minute|h|hour|d|day)(?:\s+burst\s+([1-9][0-9]{0,8}))?"
)
_RATE_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), "s"),
    **dict.fromkeys(("m", "min", "minute"), "min"),
    **dict.fromkeys(("h", "hour"), "h"),
    **dict.fromkeys(("d", "day"), "day"),
}


def read_rate(text: str) -> tuple[int, str, int | None]:
    """Read a rate such as ``100/s burst 200``: requests, unit, burst; the one reader of rates.

    Raises:
        RefusalError: It is none.
    """
    match = re.fullmatch(_RATE, text.lower())
    if match is None:
        raise RefusalError("must be a rate such as 10/min, or 100/s burst 200")
    requests, unit, burst = match.groups()
    return int(requests), _RATE_UNITS[unit], int(burst) if burst else None


def parse_rate(text: str, _notes: list[Note]) -> str:
    """Read a rate and write its unit in one way."""
    requests, unit, burst = read_rate(text)
    return f"{requests}/{unit}" + (f" burst {burst}" if burst else "")


RATE: Final = Kind("rate", parse_rate, schema=schema(type="string", examples=["100/s burst 200"]))


def parse_root_path(text: str, _notes: list[Note]) -> str:
    """Read the prefix under which a proxy shows the server, without its last slash."""
    if text and not text.startswith("/"):
        raise RefusalError("must start with /", f"/{text}")
    return text.rstrip("/")


ROOT_PATH: Final = Kind("path prefix", parse_root_path, schema=schema(type="string"))
