"""Durations and sizes: numbers with a unit."""

import re
from typing import Final

from portico.core.settings.kinds import SIZE_MAX, Kind, Note, RefusalError, schema

_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_NUMBER: Final = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_BARE: Final = _NUMBER
_DURATION: Final = "(?i)" + "".join(f"(?:({_NUMBER}){unit})?" for unit in _MILLISECONDS)
DURATION_MAX_S: Final = 10.0 * 365 * 86_400


def _read_seconds(text: str) -> float | None:
    """Read ``1m30s``, ``500ms`` or a bare number of seconds, or say no."""
    if re.fullmatch(_BARE, text):
        return float(text)
    match = re.fullmatch(_DURATION, text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), _MILLISECONDS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number) / 1000


def duration(low_s: float = 0.0, high_s: float = DURATION_MAX_S) -> Kind[float]:
    """Make a kind of durations in seconds; a *low_s* above 0 refuses zero."""
    bounds = f", from {format_duration(low_s)} to {format_duration(high_s)}"
    what = "must be a duration such as 5s, 1m30s, 1.5s or 500ms"
    if low_s > 0 or high_s < DURATION_MAX_S:
        what += bounds

    def parse(text: str, _notes: list[Note]) -> float:
        value = _read_seconds(text)
        if value is None or not low_s <= value <= high_s:
            raise RefusalError(what)
        return value

    return Kind(
        "duration",
        parse,
        format_duration,
        schema(type=["string", "number"], examples=["5s", "1m30s", "500ms"]),
    )


def format_duration(value: object) -> str:
    """Write seconds with the units that lose nothing: ``1m30s``, ``1.5s``, ``500ms``."""
    if not isinstance(value, (int, float)):
        return ""
    if 0 < value < 1:
        return f"{value * 1000:.12g}ms"
    rest, text = float(value), ""
    for unit, length_s in (("d", 86_400), ("h", 3600), ("m", 60)):
        whole, rest = divmod(rest, length_s)
        text += f"{whole:.0f}{unit}" if whole else ""
    return text + (f"{rest:.12g}s" if rest or not text else "")


_SIZE_UNITS: Final = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_SIZE: Final = r"([0-9]{1,16})(?:\.([0-9]{1,9}))?([a-z]*)"


def _read_bytes(text: str) -> int | None:
    """Read ``10MiB``, ``2MB`` or a bare number of bytes exactly, or say no."""
    match = re.fullmatch(_SIZE, text.lower())
    unit = _SIZE_UNITS.get(match[3] or "b") if match else None
    if match is None or unit is None:
        return None
    fraction = match[2] or ""
    whole, rest = divmod(int(match[1] + fraction) * unit, 10 ** len(fraction))
    return None if rest else whole


def size(low: int = 0) -> Kind[int]:
    """Make a kind of sizes in bytes, at least *low*."""
    what = "must be a size such as 512B, 32KiB, 10MB (1000s) or 10MiB (1024s)"
    if low:
        what += f", {low}B or more"

    def parse(text: str, _notes: list[Note]) -> int:
        value = _read_bytes(text)
        if value is None or not low <= value <= SIZE_MAX:
            raise RefusalError(what)
        return value

    return Kind(
        "size",
        parse,
        format_size,
        schema(type=["string", "integer"], examples=["32KiB", "10MB", "16MiB"]),
    )


def format_size(value: object) -> str:
    """Write bytes with the largest unit that loses nothing."""
    if not isinstance(value, int):
        return ""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        length = _SIZE_UNITS[unit.lower()]
        if value and value % length == 0:
            return f"{value // length}{unit}"
    return f"{value}B"


DURATION: Final = duration()
SHORTEST_S: Final = 0.001
TIMEOUT: Final = duration(SHORTEST_S)
