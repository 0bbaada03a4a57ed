"""The flag layer: setting flags as typed, which the command line passes on unparsed."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from portico.core.settings.candidates import Candidate, Layer, Report
from portico.core.settings.kinds import BOOLEAN, Kind, Note, RefusalError
from portico.core.settings.lists import split_list
from portico.core.settings.resolution import Finding, Place
from portico.core.settings.spec import Spec
from portico.core.settings.suggestions import did_you_mean, find_resembling
from portico.core.settings.table import TABLE

CHOOSERS: Final = ("--config", "--profile")
"""Flags that choose layers."""
REPEATABLE: Final = "--cors-origin"


class Token(NamedTuple):
    """One flag with its value.

    Attributes:
        flag: The flag, or a stray argument.
        value: Its value, or None.
        position: Its place in the arguments.
    """

    flag: str
    value: str | None
    position: int

    @property
    def origin(self) -> str:
        """Its provenance."""
        return f"flag:{self.flag}"


@lru_cache(maxsize=1)
def flag_specs() -> Mapping[str, Spec]:
    """Return every setting flag with its setting."""
    return MappingProxyType({flag: spec for spec in TABLE.values() for flag in spec.flags})


def _takes_value(flag: str) -> bool:
    spec = flag_specs().get(flag)
    return spec is None or spec.kind is not BOOLEAN


def split_arguments(argv: Sequence[str]) -> list[Token]:
    """Pair flags with their values; what starts with ``--`` is never a value.

    An unknown flag takes the value after it along, so that it is one mistake and not two.
    """
    tokens: list[Token] = []
    waiting = False
    for position, argument in enumerate(argv):
        if argument.startswith("--") or (argument.startswith("-") and not waiting):
            flag, equals, value = argument.partition("=")
            tokens.append(Token(flag, value if equals else None, position))
            waiting = not equals and _takes_value(flag)
        elif waiting:
            tokens[-1] = Token(tokens[-1].flag, argument, tokens[-1].position)
            waiting = False
        else:
            tokens.append(Token(argument, None, position))
    return tokens


def chosen(tokens: Iterable[Token], chooser: str) -> Token | None:
    """Return the last *chooser* flag, which counts."""
    return next((token for token in reversed(list(tokens)) if token.flag == chooser), None)


def read_flags(tokens: Sequence[Token], report: Report) -> list[Candidate]:
    """Return the layer's candidates, the last of repeated flags ranking highest."""
    candidates = []
    for token in tokens:
        spec = flag_specs().get(token.flag)
        if spec is not None:
            candidates.append(_candidate(spec, token, len(tokens)))
        elif token.flag not in CHOOSERS:
            report.problem(Layer.FLAG, token.position, _unknown(token))
        elif token.value is None or not token.value.strip():
            report.problem(Layer.FLAG, token.position, _valueless(token))
    return _gathered(candidates)


def _candidate(spec: Spec, token: Token, count: int) -> Candidate:
    kind, raw = spec.kind, token.value
    negated = kind is BOOLEAN and token.flag.startswith("--no-")
    if kind is BOOLEAN and raw is None:
        raw = "false" if negated else "true"
    elif raw is None or negated:
        kind, raw = _refused("needs a value" if raw is None else "takes no value"), ""
    return Candidate(
        spec.path,
        kind,
        raw,
        token.origin,
        token.flag,
        Layer.FLAG,
        token.position,
        count - token.position,
        f"--{token.flag[5:]}" if negated else token.flag,
    )


def _refused(message: str) -> Kind[object]:
    """Make a kind that refuses all, for a flag whose value is missing or not wanted."""

    def parse(_text: str, _notes: list[Note]) -> object:
        raise RefusalError(message)

    return Kind("nothing", parse)


def _gathered(candidates: list[Candidate]) -> list[Candidate]:
    """Make one list of all ``--cors-origin`` flags, at the place of the last."""
    repeated = [candidate for candidate in candidates if candidate.name == REPEATABLE]
    if len(repeated) < 2:
        return candidates
    try:
        items = tuple(item for one in repeated for item in split_list(str(one.raw).strip()))
    except RefusalError:
        return candidates
    last = repeated[-1]
    whole = Candidate(
        last.path,
        last.kind,
        items,
        last.origin,
        last.name,
        last.layer,
        last.position,
        last.rank,
        last.alias,
    )
    return [c for c in candidates if c.name != REPEATABLE] + [whole]


def _unknown(token: Token) -> Finding:
    secret = _secret_flags().get(token.flag)
    if secret is not None:
        names = " or ".join(secret.all_names)
        message = f"{token.flag} does not exist: arguments can be seen by other users"
        fix = f"set {names}"
    else:
        meant = find_resembling(token.flag, (*flag_specs(), *CHOOSERS))
        message = f"{token.flag} is not a setting{did_you_mean(meant)}"
        fix = f"write {meant}" if meant else "remove it"
    places = (Place("at", token.origin, token.flag),)
    return Finding("unknown-key", token.flag, token.origin, message, fix, places)


def _secret_flags() -> Mapping[str, Spec]:
    """Return the flags that secrets would have if they had any."""
    secrets = (spec for spec in TABLE.values() if spec.secret)
    return {
        f"--{spec.path.removeprefix('server.')}".replace(".", "-").replace("_", "-"): spec
        for spec in secrets
    }


def _valueless(token: Token) -> Finding:
    path = token.flag.removeprefix("--")
    places = (Place("at", token.origin, token.flag),)
    return Finding("bad-value", path, token.origin, f"{token.flag} needs a value", "", places)
