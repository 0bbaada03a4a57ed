"""Candidates for the value of a setting, and what reading the layers yields.

Those that every value passes through are named tuples, which cost a quarter of a dataclass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from portico.core.settings.kinds import Kind, Note, RefusalError
from portico.core.settings.resolution import Finding, Place


class Layer(IntEnum):
    """The layers, lowest first."""

    DEFAULT = 0
    PROFILE = 1
    FILE = 2
    DOTENV = 3
    ENV = 4
    FLAG = 5


Raw = str | tuple[Any, ...] | None
"""A value as it stands in its source: text, a sequence of the file, None where unreadable."""


class Candidate(NamedTuple):
    """One value that a layer offers for a setting.

    Attributes:
        path: The setting.
        kind: How to read it.
        raw: What stands there.
        origin: Its provenance.
        name: What was typed there.
        layer: Its layer.
        position: Its place in its source, for the order of findings.
        rank: Its rank among the names of the setting in one layer, 0 the highest.
        alias: The name that competes with others in the layer; None yields silently.
        stand_in: What a true value of a boolean variable stands for.
        checked_only: It must be sound, but offers no value of its own.
        target: The file that ``*_FILE`` names.
    """

    path: str
    kind: Kind[Any]
    raw: Raw
    origin: str
    name: str
    layer: Layer
    position: int
    rank: int = 0
    alias: str | None = None
    stand_in: str | None = None
    checked_only: bool = False
    target: str | None = None


class Reading(NamedTuple):
    """A candidate, read.

    Attributes:
        candidate: What was read.
        value: Its typed value; None where it is refused.
        refusal: Why it is refused, or None.
        notes: Warnings met on the way.
        text: What may be shown of it.
    """

    candidate: Candidate
    value: object
    refusal: RefusalError | None
    notes: tuple[Note, ...]
    text: str

    @property
    def offers(self) -> bool:
        """Whether it is a value for the setting; a switch that is off is none."""
        candidate = self.candidate
        switched_off = candidate.stand_in is not None and self.value is False
        return not (candidate.checked_only or switched_off)

    def place(self, role: str) -> Place:
        """Return where it stands, for a finding."""
        return Place(role, self.candidate.origin, self.candidate.name, self.text)


@dataclass(slots=True, eq=False, repr=False)
class Report:
    """Findings with their places in the order of layers; filled while reading.

    Attributes:
        problems: ``(layer, position, finding)`` of each problem.
        warnings: The same of each warning.
    """

    problems: list[tuple[int, int, Finding]] = field(default_factory=list)
    warnings: list[tuple[int, int, Finding]] = field(default_factory=list)

    def problem(self, layer: Layer, position: int, finding: Finding) -> None:
        """Add what prevents a start."""
        self.problems.append((layer, position, finding))

    def warning(self, layer: Layer, position: int, finding: Finding) -> None:
        """Add what does not."""
        self.warnings.append((layer, position, finding))


def in_order(findings: list[tuple[int, int, Finding]]) -> tuple[Finding, ...]:
    """Return the findings by layer, lowest first, then by place in the source."""
    return tuple(finding for _, _, finding in sorted(findings, key=lambda entry: entry[:2]))


class Variable(NamedTuple):
    """One variable of the environment or of ``.env``."""

    name: str
    text: str
    origin: str
    position: int


Files = Mapping[str, str | None]
"""Path to text, as ``Sources.files``."""
