"""What goes into a resolution and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portico.core.settings.spec import STEM
from portico.core.settings.table import Settings

NamedText = tuple[str, str | None]
"""A file's name and its text; None where it could not be read."""


@dataclass(frozen=True, slots=True)
class Sources:
    """All that a resolution may look at.

    Its repr leaves out the texts, in which secrets stand.

    Attributes:
        env: The environment.
        argv: The setting flags, as typed.
        dotenv: The ``.env`` file, or None when there is none.
        file: The configuration file, or None when there is none.
        files: Texts of the files that :func:`wanted_files` names; None where unreadable.
        profile: The profile, unless a flag or the environment names one.
        prefix: What the names of environment variables start with.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    argv: Sequence[str] = field(default=(), repr=False)
    dotenv: NamedText | None = field(default=None, repr=False)
    file: NamedText | None = field(default=None, repr=False)
    files: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    profile: str | None = None
    prefix: str = STEM


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands.

    Attributes:
        role: How it bears on the finding: ``at`` (here), ``over`` (what it outranks), ``with``
            (what it meets), ``under`` (what outranks it).
        origin: ``env:LETTA_PORT``, ``file:conf.yaml:2``, as in provenance.
        name: What was typed there: a variable, a key of the file, a flag.
        text: The value's text, secrets masked; empty where there is none to show.
    """

    role: str
    origin: str
    name: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a warning.

    Attributes:
        code: Stable, such as ``bad-value``.
        path: The setting, or the name or file that is no setting.
        origin: Where the person typed it.
        message: What is wrong.
        fix: What to do, or empty.
        related: The places that it is about, the first being its own.
    """

    code: str
    path: str
    origin: str
    message: str
    fix: str = ""
    related: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One candidate of a setting.

    Attributes:
        origin: Where it stands.
        text: Its text, secrets masked.
        problem: Why it is refused, or None.
        name: What was typed there.
    """

    origin: str
    text: str
    problem: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The outcome.

    Attributes:
        settings: The settings, or None exactly when there are problems.
        values: Typed values by path; paths whose value is refused are missing.
        provenance: Origin of the winning candidate, by path.
        trace: Candidates of each path, from the highest layer down.
        problems: What prevents a start, in the order of layers.
        warnings: What does not, in the same order.
        profile: The profile that was used, or None.
    """

    settings: Settings | None
    values: Mapping[str, object]
    provenance: Mapping[str, str]
    trace: Mapping[str, tuple[TraceEntry, ...]]
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    profile: str | None
