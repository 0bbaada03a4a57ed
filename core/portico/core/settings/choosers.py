"""What chooses layers: the profile and the configuration file."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from portico.core.settings.candidates import Candidate, Layer, Report, Variable
from portico.core.settings.flags import Token, chosen
from portico.core.settings.lists import unquote
from portico.core.settings.profiles import PROFILES
from portico.core.settings.resolution import Finding, NamedText, Place, Sources
from portico.core.settings.suggestions import did_you_mean, find_resembling
from portico.core.settings.table import TABLE
from portico.core.settings.variables import CONFIG_NAMES, PROFILE_NAME, Names


class Choice(NamedTuple):
    """A text that chooses a layer, and where it was typed."""

    text: str
    origin: str
    name: str
    layer: Layer
    position: int

    def place(self, role: str) -> Place:
        """Return where it stands, for a finding."""
        return Place(role, self.origin, self.name, self.text)


def choices(
    flag: str, names: Sequence[str], tokens: Sequence[Token], layers: Sequence[Sequence[Variable]]
) -> list[Choice]:
    """Return every choice that was made, the deciding one first.

    Args:
        flag: The flag that chooses.
        names: The variables that choose, in order of rank.
        tokens: The flags as typed.
        layers: The variables of the environment, then those of ``.env``.
    """
    token = chosen(tokens, flag)
    found = []
    if token is not None and token.value is not None and token.value.strip():
        text = token.value.strip()
        found.append(Choice(text, token.origin, flag, Layer.FLAG, token.position))
    for layer, variables in zip((Layer.ENV, Layer.DOTENV), layers, strict=True):
        by_name = {variable.name: variable for variable in variables}
        for variable in filter(None, map(by_name.get, names)):
            text = variable.text.strip()
            text = unquote(text) or text
            if text:
                found.append(Choice(text, variable.origin, variable.name, layer, variable.position))
    return found


def read_profile(
    sources: Sources,
    names: Names,
    tokens: Sequence[Token],
    layers: Sequence[Sequence[Variable]],
    report: Report,
) -> tuple[str | None, list[Candidate]]:
    """Return the profile in use and its candidates; report one that does not exist."""
    made = choices("--profile", [names.prefix + PROFILE_NAME], tokens, layers)
    if sources.profile is not None and sources.profile.strip():
        text = sources.profile.strip()
        made.append(Choice(text, f"profile:{text}", "profile", Layer.PROFILE, 0))
    if not made:
        return None, []
    choice = made[0]
    profile = choice.text.lower()
    if profile not in PROFILES:
        report.problem(Layer.PROFILE, 0, _unknown_profile(choice))
        return None, []
    return profile, _profile_candidates(profile, PROFILES[profile])


def _profile_candidates(profile: str, texts: Mapping[str, str]) -> list[Candidate]:
    return [
        Candidate(
            path,
            TABLE[path].kind,
            text,
            f"profile:{profile}",
            path,
            Layer.PROFILE,
            position,
            alias=path,
        )
        for position, (path, text) in enumerate(texts.items())
    ]


def _unknown_profile(choice: Choice) -> Finding:
    meant = find_resembling(choice.text.lower(), PROFILES)
    known = ", ".join(PROFILES)
    message = f"there is no profile {choice.text}{did_you_mean(meant)} (profiles: {known})"
    fix = f"write {meant}" if meant else f"choose one of {known}"
    places = (choice.place("at"),)
    return Finding("unknown-profile", "profile", choice.origin, message, fix, places)


def config_choices(
    names: Names, tokens: Sequence[Token], layers: Sequence[Sequence[Variable]]
) -> list[Choice]:
    """Return every naming of the configuration file, the deciding one first."""
    variables = [names.prefix + name for name in CONFIG_NAMES]
    return choices("--config", variables, tokens, layers)


def choose_file(
    sources: Sources, made: Sequence[Choice], report: Report
) -> tuple[NamedText | None, str]:
    """Return the configuration file, and where it was named.

    A named file whose text was not passed in could not be read.
    """
    _report_disagreement(made, report)
    if sources.file is not None:
        name, text = sources.file
        return (name, text), made[0].origin if made else f"file:{name}"
    if not made:
        return None, ""
    return (made[0].text, sources.files.get(made[0].text)), made[0].origin


def _report_disagreement(made: Sequence[Choice], report: Report) -> None:
    """Two names of the file in one layer must agree."""
    for first, second in pairwise(made):
        if first.layer == second.layer and first.text != second.text:
            message = f"{first.name} and {second.name} name different configuration files"
            places = (first.place("at"), second.place("with"))
            finding = Finding(
                "conflicting-names", "config", first.origin, message, "keep one of them", places
            )
            report.problem(first.layer, first.position, finding)
