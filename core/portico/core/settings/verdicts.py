"""Deciding each setting among its candidates: who wins, who clashes, who is shadowed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, groupby

from portico.core.settings.candidates import Reading, Report
from portico.core.settings.kinds import RefusalError
from portico.core.settings.resolution import Finding, Place, TraceEntry
from portico.core.settings.suggestions import did_you_mean


@dataclass(slots=True, eq=False, repr=False)
class Verdicts:
    """What the candidates of all settings come to.

    Attributes:
        report: Where findings go.
        winners: The reading that decides, by path.
        traces: The readings that were offered, from the highest layer down, by path.
        broken: Paths whose value is refused or disputed.
        loose_ports: Sound ports of a URL that no host goes with.
    """

    report: Report
    winners: dict[str, Reading] = field(default_factory=dict)
    traces: dict[str, tuple[TraceEntry, ...]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    loose_ports: list[Reading] = field(default_factory=list)

    def decide(self, readings: Iterable[Reading]) -> None:
        """Decide every setting that has a candidate."""
        by_path: dict[str, list[Reading]] = {}
        for reading in readings:
            by_path.setdefault(reading.candidate.path, []).append(reading)
        for path, found in by_path.items():
            if len(found) == 1 and _is_plain(found[0]):
                self.winners[path] = found[0]
                self.traces[path] = (_trace_entry(found[0]),)
            else:
                found.sort(key=_precedence)
                self._decide_path(path, found)

    def _decide_path(self, path: str, found: list[Reading]) -> None:
        offered = [reading for reading in found if reading.offers]
        winner = offered[0] if offered else None
        if winner is not None:
            self.winners[path] = winner
            self.traces[path] = tuple(map(_trace_entry, offered))
            if len(offered) > 1:
                self._report_clashes(path, offered)
        for reading in found:
            self._report_reading(reading, winner, offered)
            if reading.candidate.checked_only and reading.refusal is None and winner is None:
                self.loose_ports.append(reading)

    def _report_reading(
        self, reading: Reading, winner: Reading | None, offered: list[Reading]
    ) -> None:
        if _yields_to(reading, winner):
            return
        candidate, refusal = reading.candidate, reading.refusal
        for finding in _note_findings(reading):
            self.report.warning(candidate.layer, candidate.position, finding)
        if refusal is None:
            return
        if winner is None or _decides(reading, winner) or refusal.code != "bad-value":
            over = [other.place("over") for other in offered if _is_below(other, reading)]
            finding = _refusal_finding(reading, refusal, over)
            self.broken.add(candidate.path)
            self.report.problem(candidate.layer, candidate.position, finding)
        else:
            finding = _shadowed(reading, refusal, winner)
            self.report.warning(candidate.layer, candidate.position, finding)

    def _report_clashes(self, path: str, offered: list[Reading]) -> None:
        """Report the layers in which names of the setting disagree."""
        for layer, readings in groupby(offered, key=lambda reading: reading.candidate.layer):
            rivals = [reading for reading in readings if reading.candidate.alias is not None]
            pairs = [pair for pair in combinations(rivals, 2) if _clash(*pair)]
            if pairs:
                first = pairs[0][0]
                others = list(dict.fromkeys(pair[1].place("with") for pair in pairs))
                self.broken.add(path)
                names = " and ".join([first.candidate.name, *(other.name for other in others)])
                finding = Finding(
                    "conflicting-names",
                    path,
                    first.candidate.origin,
                    f"{names} both set it",
                    "keep one of them",
                    (first.place("at"), *others),
                )
                self.report.problem(layer, first.candidate.position, finding)


def _is_plain(reading: Reading) -> bool:
    """Say whether there is nothing to report of *reading*, when it stands alone."""
    return reading.refusal is None and not reading.notes and reading.offers


def _precedence(reading: Reading) -> tuple[int, int]:
    """Sort by layer, highest first, then by rank in it."""
    return -reading.candidate.layer, reading.candidate.rank


def _is_below(other: Reading, reading: Reading) -> bool:
    return _precedence(other) > _precedence(reading)


def _decides(reading: Reading, winner: Reading) -> bool:
    """Say whether a refusal of *reading* leaves the setting without its value.

    A port decides together with the host that it stands beside in rank.
    """
    if reading.candidate.checked_only:
        return winner.candidate.rank == reading.candidate.rank
    return reading is winner


def _yields_to(reading: Reading, winner: Reading | None) -> bool:
    """Say whether *reading* has a generic name and the layer a name of our own."""
    candidate = reading.candidate
    return (
        winner is not None
        and winner is not reading
        and candidate.alias is None
        and not candidate.checked_only
        and winner.candidate.layer == candidate.layer
    )


def _clash(first: Reading, second: Reading) -> bool:
    """Say whether two names of one setting in one layer disagree.

    A variable and its ``_FILE`` do so whatever they hold; the same flag twice never does.
    """
    if first.candidate.alias == second.candidate.alias:
        return (first.candidate.target is None) != (second.candidate.target is None)
    accepted = first.refusal is None and second.refusal is None
    return accepted and first.value != second.value


def _trace_entry(reading: Reading) -> TraceEntry:
    problem = reading.refusal.message if reading.refusal else None
    return TraceEntry(reading.candidate.origin, reading.text, problem, reading.candidate.name)


def _note_findings(reading: Reading) -> Iterator[Finding]:
    """Make one warning of each code among the notes."""
    messages: dict[str, list[str]] = {}
    for code, message in reading.notes:
        messages.setdefault(code, []).append(message)
    for code, parts in messages.items():
        yield Finding(
            code,
            reading.candidate.path,
            reading.candidate.origin,
            "; ".join(parts),
            "",
            (reading.place("at"),),
        )


def _refusal_finding(reading: Reading, refusal: RefusalError, over: list[Place]) -> Finding:
    meant = refusal.suggestion
    return Finding(
        refusal.code,
        reading.candidate.path,
        reading.candidate.origin,
        refusal.message + did_you_mean(meant),
        f"write {meant}" if meant else "",
        (reading.place("at"), *over),
    )


def _shadowed(reading: Reading, refusal: RefusalError, winner: Reading) -> Finding:
    return Finding(
        "shadowed-bad-value",
        reading.candidate.path,
        reading.candidate.origin,
        f"{refusal.message}; {winner.candidate.origin} decides instead",
        "correct it, or remove it",
        (reading.place("at"), winner.place("under")),
    )
