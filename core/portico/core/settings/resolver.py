"""Resolving the layers into settings, with provenance and every problem at once."""

from collections import ChainMap
from collections.abc import Collection, Iterator
from functools import cache
from typing import Final

from portico.core.settings.candidates import Candidate, Layer, Report, Variable, in_order
from portico.core.settings.checks import State, find_problems, find_warnings
from portico.core.settings.choosers import choose_file, config_choices, read_profile
from portico.core.settings.dotenv_file import parse_dotenv, read_dotenv
from portico.core.settings.flags import read_flags, split_arguments
from portico.core.settings.reading import read_candidates
from portico.core.settings.resolution import Resolution, Sources, TraceEntry
from portico.core.settings.table import TABLE, build
from portico.core.settings.variables import (
    Names,
    VariableReader,
    env_variables,
    names_for,
    wanted_targets,
)
from portico.core.settings.verdicts import Verdicts
from portico.core.settings.yaml_file import read_file

DEFAULT: Final = "default"
_DEFAULT_VALUES: Final = {path: spec.default for path, spec in TABLE.items()}
_DEFAULT_PROVENANCE: Final = dict.fromkeys(TABLE, DEFAULT)


@cache
def _default_trace() -> dict[str, tuple[TraceEntry, ...]]:
    """Return the trace of a resolution of nothing; to be copied."""
    return {
        path: (TraceEntry(DEFAULT, spec.format(spec.default), None, path),)
        for path, spec in TABLE.items()
    }


def wanted_files(sources: Sources) -> tuple[str, ...]:
    """Name the files whose texts ``Sources.files`` must hold: the targets of ``*_FILE``.

    Args:
        sources: The sources, without ``files``.

    Returns:
        Paths as typed, each once, in the order in which they were met.
    """
    names = names_for(sources.prefix)
    dotenv = _dotenv_variables(sources)
    targets = wanted_targets([*dotenv, *env_variables(sources.env, names)], names)
    return tuple(dict.fromkeys(targets))


def named_config(sources: Sources) -> tuple[str, str] | None:
    """Return the path of the configuration file and the origin that names it, or None.

    The edge reads this file, and ``./conf.yaml`` when none is named.
    """
    names = names_for(sources.prefix)
    layers = (env_variables(sources.env, names), _dotenv_variables(sources))
    made = config_choices(names, split_arguments(sources.argv), layers)
    return (made[0].text, made[0].origin) if made else None


def _dotenv_variables(sources: Sources) -> list[Variable]:
    if sources.dotenv is None or sources.dotenv[1] is None:
        return []
    return parse_dotenv(sources.dotenv[0], sources.dotenv[1]).variables()


def resolve(sources: Sources) -> Resolution:
    """Resolve the settings from *sources* alone.

    Every candidate of every layer is read, so that all problems are found in one run.

    Args:
        sources: The texts of all layers; nothing else is looked at.

    Returns:
        The settings, or every problem that prevents them, with provenance either way. The same
        sources give the same resolution.
    """
    report = Report()
    candidates, profile, lost = _read_layers(sources, report)
    verdicts = Verdicts(report)
    verdicts.decide(read_candidates(candidates))
    return _conclude(verdicts, profile, lost)


def _read_layers(
    sources: Sources, report: Report
) -> tuple[list[Candidate], str | None, Collection[str]]:
    """Return all candidates, the profile, and the paths whose value in the file was lost."""
    names = names_for(sources.prefix)
    tokens = split_arguments(sources.argv)
    dotenv = read_dotenv(sources.dotenv, names, report)
    env = env_variables(sources.env, names)
    profile, candidates = read_profile(sources, names, tokens, (env, dotenv), report)
    file, origin = choose_file(sources, config_choices(names, tokens, (env, dotenv)), report)
    from_file, lost = read_file(file, origin, report)
    candidates += from_file
    candidates += _read_variables(sources, names, dotenv, env, report)
    candidates += read_flags(tokens, report)
    return candidates, profile, lost


def _read_variables(
    sources: Sources,
    names: Names,
    dotenv: list[Variable],
    env: list[Variable],
    report: Report,
) -> Iterator[Candidate]:
    """Read both layers of variables; the parts of a URL may come from either."""
    parts = ChainMap(
        {variable.name: variable.text for variable in env},
        {variable.name: variable.text for variable in dotenv},
    )
    for layer, variables in ((Layer.DOTENV, dotenv), (Layer.ENV, env)):
        reader = VariableReader(layer, names, sources.files, parts, report)
        yield from reader.read(variables)


def _conclude(verdicts: Verdicts, profile: str | None, lost: Collection[str]) -> Resolution:
    values, provenance = _DEFAULT_VALUES.copy(), _DEFAULT_PROVENANCE.copy()
    trace = _default_trace().copy()
    for path, winner in verdicts.winners.items():
        values[path] = winner.value
        provenance[path] = winner.candidate.origin
        trace[path] = verdicts.traces[path] + trace[path]
    for path in verdicts.broken:
        values.pop(path, None)
    state = State(
        values,
        verdicts.winners,
        _uncertain(verdicts, lost),
        profile,
        tuple(verdicts.loose_ports),
    )
    problems = in_order(verdicts.report.problems) + tuple(find_problems(state))
    warnings = in_order(verdicts.report.warnings) + tuple(find_warnings(state))
    chosen = {path: values[path] for path in verdicts.winners if path in values}
    settings = None if problems else build(chosen)
    return Resolution(settings, values, provenance, trace, problems, warnings, profile)


def _uncertain(verdicts: Verdicts, lost: Collection[str]) -> frozenset[str]:
    """Return the broken paths, and those of *lost* that no layer above the file decides."""
    decided = {
        path for path, winner in verdicts.winners.items() if winner.candidate.layer > Layer.FILE
    }
    return frozenset(verdicts.broken.union(lost) - (decided - verdicts.broken))
