"""The declaration of one setting."""

from dataclasses import Field, dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from portico.core.settings.kinds import BOOLEAN, PATH, Kind

D = TypeVar("D")
STEM: Final = "LETTA_"
"""What the environment names of the settings start with, unless ``Sources.prefix`` says other."""

_DECLARED: Final = "declared"
_FLAG: Final = "flag"
_BARE_FLAG_GROUPS: Final = ("server", "telemetry")


class Switch(NamedTuple):
    """A boolean variable that, when true, stands for one value of a setting."""

    name: str
    value: str


class Parts(NamedTuple):
    """Two variables that together stand for one URL."""

    host: str
    port: str


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of the table of settings.

    Attributes:
        path: ``server.port``: the group and the key in the configuration file.
        default: The built-in value.
        kind: How its text is read and written.
        names: Environment variables, the first outranking the others; with the built-in prefix.
        generic: Those of *names* that are shared with other programs and yield silently.
        flags: Command-line flags, the preferred one first; none for secrets.
        doc: One sentence on its effect.
        recommend: What to choose and when, or empty.
        live: A running server can take a new value without listening anew.
        secret: Its value is never shown.
        security: A misspelt name of it is a problem, not a warning.
        switch: A boolean variable that stands for one of its values.
        parts: Two variables that stand for it together.
    """

    path: str
    default: object
    kind: Kind[Any]
    names: tuple[str, ...]
    generic: tuple[str, ...]
    flags: tuple[str, ...]
    doc: str
    recommend: str
    live: bool
    secret: bool
    security: bool
    switch: Switch | None
    parts: Parts | None

    @property
    def group(self) -> str:
        """The top-level key in the configuration file."""
        return self.path.partition(".")[0]

    @property
    def key(self) -> str:
        """The key inside the group."""
        return self.path.partition(".")[2]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Variables that name a file which holds the value; a path is never held in a file."""
        if self.kind is PATH:
            return ()
        return tuple(f"{name}_FILE" for name in self.names if name not in self.generic)

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every variable that can set it, in order of rank."""
        extra: tuple[str, ...] = (self.switch.name,) if self.switch else ()
        extra += (self.parts.host, self.parts.port) if self.parts else ()
        return self.names + extra + self.file_names

    def format(self, value: object) -> str:
        """Write *value* as text that its kind reads again; secrets masked."""
        return self.kind.format(value)


def setting(
    default: D,
    kind: Kind[Any],
    *env_names: str,
    doc: str,
    flag: str | None = None,
    recommend: str = "",
    live: bool = False,
    secret: bool = False,
    security: bool = False,
    generic: tuple[str, ...] = (),
    switch: Switch | None = None,
    parts: Parts | None = None,
) -> D:
    """Declare a field of a group of settings.

    Args:
        default: The built-in value; the result has its type, so that a default which does not
            fit the field's annotation is a type error.
        kind: How its text is read.
        env_names: Environment variables in order of rank.
        doc: One sentence on its effect.
        flag: A further flag besides the one derived from the path.
        recommend: What to choose and when.
        live: See :class:`Spec`, as for the rest.
        secret: See :class:`Spec`.
        security: See :class:`Spec`.
        generic: See :class:`Spec`.
        switch: See :class:`Spec`.
        parts: See :class:`Spec`.
    """
    declared = {
        "default": default,
        "kind": kind,
        "names": env_names,
        "generic": generic,
        "doc": doc,
        "recommend": recommend,
        "live": live,
        "secret": secret or kind.secret,
        "security": security,
        "switch": switch,
        "parts": parts,
    }
    return field(default=default, metadata={_DECLARED: declared, _FLAG: flag})


def placed(member: Field[Any], group: str) -> Spec:
    """Return the spec of a group's *member*, which :func:`setting` declared."""
    declared, flag = member.metadata[_DECLARED], member.metadata[_FLAG]
    bare = declared["secret"] or declared["kind"].composite
    flags = () if bare else _flags(declared["kind"], group, member.name, flag)
    return Spec(path=f"{group}.{member.name}", flags=flags, **declared)


def _flags(kind: Kind[Any], group: str, key: str, further: str | None) -> tuple[str, ...]:
    last = key if group in _BARE_FLAG_GROUPS else f"{group}_{key}"
    flags = ("--" + last.replace("_", "-"), *filter(None, (further,)))
    if kind is not BOOLEAN:
        return flags
    return tuple(f"--{no}{flag[2:]}" for flag in flags for no in ("", "no-"))
