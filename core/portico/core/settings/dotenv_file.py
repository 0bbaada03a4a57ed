"""The ``.env`` file: its variables with their lines, and the stretches that cannot be read."""

import re
from collections.abc import Iterable, Iterator
from typing import IO, Final, NamedTuple, cast

from portico.core.settings.candidates import Layer, Report, Variable
from portico.core.settings.resolution import Finding, NamedText, Place
from portico.core.settings.variables import Names

_LEADING_SPACE: Final = r"\s*"
_LINE_END: Final = r"\r\n|\r"


class _Stream(NamedTuple):
    """A text with the one method that python-dotenv's parser calls: the core opens nothing."""

    text: str

    def read(self) -> str:
        return self.text


class Stretch(NamedTuple):
    """Lines that cannot be parsed, the last included."""

    first: int
    last: int

    def __str__(self) -> str:
        lines = f"{self.first}-{self.last}"
        return f"line {self.first}" if self.first == self.last else f"lines {lines}"


class DotenvText(NamedTuple):
    """A ``.env`` file, read.

    Attributes:
        name: The file's name.
        lines: ``(line, variable, text)`` of every variable that has a value, in order.
        stretches: What could not be parsed.
    """

    name: str
    lines: tuple[tuple[int, str, str], ...]
    stretches: tuple[Stretch, ...]

    def variables(self) -> list[Variable]:
        """Return the variables; of repeated ones the last."""
        last = {name: (line, text) for line, name, text in self.lines}
        return [
            Variable(name, text, f"dotenv:{self.name}:{line}", line)
            for name, (line, text) in last.items()
        ]

    def repeated(self) -> list[tuple[str, int]]:
        """Return each repeated variable with the line of its last value."""
        last: dict[str, int] = {}
        repeated: dict[str, int] = {}
        for line, name, _ in self.lines:
            if name in last:
                repeated[name] = line
            last[name] = line
        return list(repeated.items())


def parse_dotenv(name: str, text: str) -> DotenvText:
    """Read a ``.env`` text without interpolation.

    Args:
        name: The file's name.
        text: Its text; any line ends.
    """
    from dotenv.parser import Binding, parse_stream

    def line_of(binding: Binding) -> int:
        # A binding starts with the blank lines before it.
        space = re.match(_LEADING_SPACE, binding.original.string)
        return binding.original.line + (space[0].count("\n") if space else 0)

    # The parser counts a CRLF twice after an error.
    stream = cast("IO[str]", _Stream(re.sub(_LINE_END, "\n", text)))
    bindings = list(parse_stream(stream))
    lines = tuple(
        (line_of(binding), binding.key, binding.value)
        for binding in bindings
        if binding.key is not None and binding.value is not None
    )
    broken = (
        (line_of(binding), binding.original.line + binding.original.string.rstrip("\n").count("\n"))
        for binding in bindings
        if binding.error
    )
    return DotenvText(name, lines, tuple(_join(broken)))


def _join(broken: Iterable[tuple[int, int]]) -> Iterator[Stretch]:
    """Join stretches that follow each other without a sound line between."""
    current: Stretch | None = None
    for first, last in broken:
        if current is not None and first == current.last + 1:
            current = Stretch(current.first, last)
            continue
        if current is not None:
            yield current
        current = Stretch(first, last)
    if current is not None:
        yield current


def read_dotenv(source: NamedText | None, names: Names, report: Report) -> list[Variable]:
    """Return the variables of ``.env``, and report what is wrong with the file itself."""
    if source is None:
        return []
    name, text = source
    if text is None:
        report.problem(Layer.DOTENV, 0, _unreadable(name))
        return []
    parsed = parse_dotenv(name, text)
    for stretch in parsed.stretches:
        report.problem(Layer.DOTENV, stretch.first, _broken(name, stretch))
    for variable, line in parsed.repeated():
        _report_repeated(name, variable, line, names, report)
    return parsed.variables()


def _unreadable(name: str) -> Finding:
    origin = f"dotenv:{name}"
    message = f"{name} cannot be read as UTF-8 text"
    fix = "make it readable, or remove it"
    return Finding("unreadable-file", name, origin, message, fix, (Place("at", origin, name),))


def _broken(name: str, stretch: Stretch) -> Finding:
    origin = f"dotenv:{name}:{stretch.first}"
    message = f"{stretch} cannot be parsed as NAME=value"
    fix = "close every quote and write one NAME=value per line"
    return Finding("syntax", name, origin, message, fix, (Place("at", origin, name),))


def _report_repeated(name: str, variable: str, line: int, names: Names, report: Report) -> None:
    claim = names.claims.get(variable)
    if claim is None and variable not in names.choosers:
        return
    origin = f"dotenv:{name}:{line}"
    finding = Finding(
        "duplicate-key",
        claim.spec.path if claim else variable,
        origin,
        f"{variable} is set more than once in {name}; this last one counts",
        "remove the others",
        (Place("at", origin, variable),),
    )
    report.warning(Layer.DOTENV, line, finding)
