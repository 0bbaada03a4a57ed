"""How places, values and emphasis are written in every report."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from portico.core.settings.secret import Secret
from portico.core.settings.services import Service

Role = Literal["error", "warning", "good", "path", "label"]
Paint = Callable[[Role, str], str]
"""Gives a text the emphasis of its role."""

MOST_SHOWN: Final = 200
WIDEST_CELL: Final = 40
_CODES: Final[dict[Role, str]] = {
    "error": "1;31",
    "warning": "1;33",
    "good": "32",
    "path": "1",
    "label": "2",
}
_LAYER_WORDS: Final = {"env": "environment ", "flag": "flag ", "profile": "profile "}


def plain(_role: Role, text: str) -> str:
    """Leave the text as it is."""
    return text


def coloured(role: Role, text: str) -> str:
    """Colour the text for a terminal (ECMA-48, SGR)."""
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def visible(text: str) -> str:
    """Escape what a terminal would act on or could not show, and cut what is too long.

    A value is somebody else's text: it must not move the cursor, nor hide a line of the report.
    """
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[: MOST_SHOWN + 1])
    return shown if len(text) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def place_of(origin: str, name: str = "") -> str:
    """Write an origin for a person: ``.env:2 LETTA_PORT``, ``environment LETTA_PORT``.

    Args:
        origin: As in provenance, such as ``dotenv:.env:2``.
        name: What was typed there; needed where the origin does not tell it.
    """
    layer, _, rest = origin.partition(":")
    if layer == "default":
        return "built-in default"
    if layer in _LAYER_WORDS:
        return visible(_LAYER_WORDS[layer] + rest.replace("->", " -> "))
    return visible(f"{rest} {name}".rstrip())


def to_json(value: object) -> object:
    """Put a typed value into JSON's types; secrets masked, durations seconds, sizes bytes."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Service):
        keys = ("name", "base_url", "api_key_file")
        return {key: getattr(value, key) for key in keys}
    return value


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align cells in columns, without spaces at the ends of lines.

    A cell that is far wider than its column should be moves its own line alone.
    """
    widths = [min(max(map(len, column)), WIDEST_CELL) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def counted(number: int, noun: str) -> str:
    """Write ``1 problem``, ``2 problems``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
