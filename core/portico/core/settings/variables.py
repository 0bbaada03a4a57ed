"""The environment layers: which variables are ours, which are others', which are misspelt."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from portico.core.settings.addresses import parse_host
from portico.core.settings.candidates import Candidate, Files, Layer, Report, Variable
from portico.core.settings.kinds import BOOLEAN, REMOTE_PORT, Kind, Note
from portico.core.settings.lists import QUOTED, unquote
from portico.core.settings.resolution import Finding, Place
from portico.core.settings.secret import Secret
from portico.core.settings.spec import STEM, Spec
from portico.core.settings.suggestions import did_you_mean, find_resembling
from portico.core.settings.table import TABLE

CONFIG_NAMES: Final = ("CONFIG", "CONFIG_PATH")
"""Names, without the prefix, of the variables that name the configuration file."""
PROFILE_NAME: Final = "PROFILE"
_OTHERS: Final = ("API_KEY", "BASE_URL")
_OTHERS_STEMS: Final = ("SERVICE_", "PORT_")
_FOREIGN: Final = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
_FOREIGN_STEMS: Final = ("UVICORN_", "GRANIAN_", "HYPERCORN_")
_REDIS_PORT: Final = "6379"


def is_foreign(name: str) -> bool:
    """Say whether an engine would read *name* from its environment."""
    return name.startswith(_FOREIGN_STEMS) or name in _FOREIGN


class Claim(NamedTuple):
    """What one variable means.

    Attributes:
        spec: The setting it sets.
        rank: Its rank among the setting's names.
        form: ``value``, ``file`` (names a file), ``switch``, ``host`` or ``port`` (parts).
        alias: The name that competes with the setting's others; None yields silently.
    """

    spec: Spec
    rank: int
    form: str
    alias: str | None


class Names(NamedTuple):
    """Every variable that is ours under one prefix."""

    prefix: str
    claims: Mapping[str, Claim]
    choosers: frozenset[str]

    def has_stem(self, name: str) -> bool:
        """Say whether *name* starts with the prefix, in any case."""
        return name[: len(self.prefix)].upper() == self.prefix.upper()

    def concerns(self, name: str) -> bool:
        """Say whether there may be anything to say about *name*."""
        return name in self.claims or self.has_stem(name) or is_foreign(name)

    def is_others(self, name: str) -> bool:
        """Say whether *name* belongs to another program or to Kubernetes."""
        rest = name.upper().removeprefix(self.prefix.upper())
        return rest in _OTHERS or rest.startswith(_OTHERS_STEMS)


def _claims(spec: Spec) -> Iterable[tuple[str, Claim]]:
    """Claim every name of *spec*, generic ones ranking last."""
    own = [name for name in spec.names if name not in spec.generic]
    files = set(spec.file_names)
    for rank, name in enumerate(own):
        yield name, Claim(spec, 2 * rank, "value", name)
        if f"{name}_FILE" in files:
            yield f"{name}_FILE", Claim(spec, 2 * rank + 1, "file", name)
    last = 2 * len(own)
    if spec.switch:
        yield spec.switch.name, Claim(spec, last, "switch", spec.switch.name)
    if spec.parts:
        yield spec.parts.host, Claim(spec, last, "host", spec.parts.host)
        yield spec.parts.port, Claim(spec, last, "port", None)
    for rank, name in enumerate(spec.generic, last + 1):
        yield name, Claim(spec, rank, "value", None)


@lru_cache(maxsize=8)
def names_for(prefix: str) -> Names:
    """Return the names of all settings, with *prefix* in the place of the built-in one."""
    claims = {
        prefix + name.removeprefix(STEM) if name.startswith(STEM) else name: claim
        for spec in TABLE.values()
        for name, claim in _claims(spec)
    }
    choosers = frozenset(prefix + name for name in (*CONFIG_NAMES, PROFILE_NAME))
    return Names(prefix, MappingProxyType(claims), choosers)


def env_variables(env: Mapping[str, str], names: Names) -> list[Variable]:
    """Return the variables of the environment that concern us, in its order."""
    return [
        Variable(name, text, f"env:{name}", position)
        for position, (name, text) in enumerate(env.items())
        if names.concerns(name)
    ]


def wanted_targets(variables: Iterable[Variable], names: Names) -> Iterable[str]:
    """Name the files that ``*_FILE`` variables point to."""
    for variable in variables:
        claim = names.claims.get(variable.name)
        if claim and claim.form == "file" and variable.text.strip():
            yield variable.text.strip()


class VariableReader(NamedTuple):
    """Reads the variables of one layer.

    Attributes:
        layer: ``Layer.ENV`` or ``Layer.DOTENV``.
        names: The names that are ours.
        files: Texts of the targets of ``*_FILE``.
        parts: The variables of both layers by name, in which the port of a URL is looked up.
        report: Where findings go.
    """

    layer: Layer
    names: Names
    files: Files
    parts: Mapping[str, str]
    report: Report

    def read(self, variables: Iterable[Variable]) -> list[Candidate]:
        """Return the layer's candidates, and report names that are nobody's; blank is unset."""
        candidates = []
        for variable in variables:
            claim = self.names.claims.get(variable.name)
            if not variable.text.strip():
                continue
            if claim is None:
                self._judge_unclaimed(variable)
            elif not self._quotes_nothing(variable, claim):
                candidates.append(_FORMS[claim.form](self, variable, claim))
        return candidates

    def _judge_unclaimed(self, variable: Variable) -> None:
        if is_foreign(variable.name):
            self._report_foreign(variable)
        elif self.names.has_stem(variable.name):
            self._judge_unknown(variable)

    def _quotes_nothing(self, variable: Variable, claim: Claim) -> bool:
        """Quotes around nothing are unset too, where quotes cannot be meant."""
        inner = None if claim.spec.kind.literal else unquote(variable.text.strip())
        if inner is None or inner.strip():
            return False
        self._warn_quoted(variable, claim)
        return True

    def _value(self, variable: Variable, claim: Claim) -> Candidate:
        return self._plain(variable, claim, claim.spec.kind)

    def _plain(self, variable: Variable, claim: Claim, kind: Kind[Any]) -> Candidate:
        return Candidate(
            claim.spec.path,
            kind,
            variable.text,
            variable.origin,
            variable.name,
            self.layer,
            variable.position,
            claim.rank,
            claim.alias,
            claim.spec.switch.value if claim.spec.switch and claim.form == "switch" else None,
            claim.form == "port",
        )

    def _file(self, variable: Variable, claim: Claim) -> Candidate:
        target = variable.text.strip()
        text = self.files.get(target)
        return Candidate(
            claim.spec.path,
            claim.spec.kind,
            None if text is None else _without_line_end(text),
            f"{variable.origin}->{target}" if text is not None else variable.origin,
            variable.name,
            self.layer,
            variable.position,
            claim.rank,
            claim.alias,
            target=target,
        )

    def _switch(self, variable: Variable, claim: Claim) -> Candidate:
        return self._plain(variable, claim, BOOLEAN)

    def _host(self, variable: Variable, claim: Claim) -> Candidate:
        parts = claim.spec.parts
        port = self.parts.get(parts.port, "").strip() if parts else ""
        return self._plain(variable, claim, _redis_host(port or _REDIS_PORT))

    def _port(self, variable: Variable, claim: Claim) -> Candidate:
        return self._plain(variable, claim, REMOTE_PORT)

    def _judge_unknown(self, variable: Variable) -> None:
        if variable.name in self.names.choosers or self.names.is_others(variable.name):
            return
        upper = variable.name.upper()
        known = (*self.names.claims, *self.names.choosers)
        meant = upper if upper in known else find_resembling(upper, known)
        claim = self.names.claims.get(meant or "")
        finding = Finding(
            "unknown-key",
            variable.name,
            variable.origin,
            f"{variable.name} is not a setting{did_you_mean(meant)}",
            f"rename it to {meant}" if meant else "remove it",
            (Place("at", variable.origin, variable.name),),
        )
        secure = claim is not None and claim.spec.security
        report = self.report.problem if secure else self.report.warning
        report(self.layer, variable.position, finding)

    def _report_foreign(self, variable: Variable) -> None:
        finding = Finding(
            "foreign-variable",
            variable.name,
            variable.origin,
            f"{variable.name} is not read: every value is passed to the engine explicitly",
            "use Portico's own setting, and remove it",
            (Place("at", variable.origin, variable.name),),
        )
        self.report.warning(self.layer, variable.position, finding)

    def _warn_quoted(self, variable: Variable, claim: Claim) -> None:
        code, message = QUOTED
        place = Place("at", variable.origin, variable.name)
        finding = Finding(code, claim.spec.path, variable.origin, message, "", (place,))
        self.report.warning(self.layer, variable.position, finding)


_FORMS: Final = {
    "value": VariableReader._value,
    "file": VariableReader._file,
    "switch": VariableReader._switch,
    "host": VariableReader._host,
    "port": VariableReader._port,
}


def _without_line_end(text: str) -> str:
    """Remove exactly one line end, which editors add."""
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n").removesuffix("\r")


def _redis_host(port: str) -> Kind[object]:
    """Make the kind of a Redis host that, with *port*, stands for a URL."""

    def parse(text: str, notes: list[Note]) -> Secret:
        host = parse_host(text, notes)
        url = f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"
        return Secret(url, url)

    return Kind("host", parse)
