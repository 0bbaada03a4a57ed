"""The configuration file: YAML nodes with their lines, never constructed into objects."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, cast

from portico.core.settings.candidates import Candidate, Layer, Report
from portico.core.settings.resolution import Finding, NamedText, Place
from portico.core.settings.services import KEYS
from portico.core.settings.spec import Spec
from portico.core.settings.suggestions import did_you_mean, find_resembling
from portico.core.settings.table import GROUPS, TABLE

_NULL_TAG: Final = "tag:yaml.org,2002:null"
DEEPEST: Final = 50
"""How deep collections may nest; settings need 4."""
_OPENERS: Final = "[{-:?"
_SURROGATE: Final = "[\ud800-\udfff]"


class Mark(Protocol):
    """Where a node starts; lines count from 0."""

    line: int


class Node(Protocol):
    """What is used of a node of PyYAML, which is imported only where a file is read.

    Attributes:
        id: ``scalar``, ``sequence`` or ``mapping``.
        tag: Its resolved type.
        value: A scalar's text, a sequence's nodes, a mapping's pairs of nodes.
        start_mark: Where it starts.
    """

    id: str
    tag: str
    value: Any
    start_mark: Mark


class SyntaxFault(NamedTuple):
    """Why a text is no YAML, and where."""

    line: int
    message: str


class _Entry(NamedTuple):
    """One key of a mapping."""

    key: str
    line: int
    node: Node


def compose(text: str) -> Node | None | SyntaxFault:
    """Compose *text* into nodes, through libyaml where PyYAML has it.

    Returns:
        The root, None for an empty document, or why it is no YAML.
    """
    import yaml

    undecodable = re.search(_SURROGATE, text)
    if undecodable:
        return SyntaxFault(text.count("\n", 0, undecodable.start()) + 1, "is not UTF-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if _is_too_deep(text, lambda: yaml.parse(text, loader)):
            return SyntaxFault(1, "is nested too deeply")
        root = yaml.compose(text, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return SyntaxFault(mark.line + 1 if mark else 1, error.problem or "is not YAML")
    except yaml.YAMLError:
        return SyntaxFault(1, "holds a character that YAML does not allow")
    return cast("Node | None", root)


def _is_too_deep(text: str, parse: Callable[[], Iterable[object]]) -> bool:
    """Say whether collections nest deeper than any configuration does.

    libyaml composes by recursion on the C stack, which a hostile text overflows. Few texts have
    the marks for it at all, so that few are parsed twice.
    """
    if sum(map(text.count, _OPENERS)) <= DEEPEST:
        return False
    depth = 0
    for event in parse():
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > DEEPEST:
            return True
    return False


def is_null(node: Node) -> bool:
    """Say whether *node* is a plain null, which leaves a setting unset."""
    return bool(node.tag == _NULL_TAG)


@dataclass(slots=True, eq=False, repr=False)
class FileReader:
    """Reads the configuration file into candidates and findings.

    Attributes:
        name: The file's name.
        report: Where findings go.
        candidates: What was found, by path; of repeated keys the last.
        lost: Paths for which something stands there that cannot be used.
        position: Counts what was met, in the order of the text.
    """

    name: str
    report: Report
    candidates: dict[str, Candidate] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    position: int = 0

    def read(self, root: Node) -> None:
        """Read the whole document."""
        if is_null(root):
            return
        if root.id != "mapping":
            self._type_problem(self.name, 1, "must be a mapping of groups such as server:")
            self.lost.update(TABLE)
            return
        for entry in self._entries(root, ""):
            if entry.key in GROUPS:
                self._read_group(entry)
            else:
                self._unknown(entry.key, entry.line, (*GROUPS, *TABLE))

    def _read_group(self, group: _Entry) -> None:
        if is_null(group.node):
            return
        if group.node.id != "mapping":
            self._type_problem(group.key, group.line, "is a group: it must be a mapping")
            self.lost.update(path for path, spec in TABLE.items() if spec.group == group.key)
            return
        for entry in self._entries(group.node, f"{group.key}."):
            path = f"{group.key}.{entry.key}"
            spec = TABLE.get(path)
            if spec is None:
                self._unknown(path, entry.line, TABLE)
            else:
                self._read_value(spec, entry)

    def _entries(self, mapping: Node, prefix: str) -> Iterator[_Entry]:
        """Walk a mapping's keys, reporting those that are no text or repeated."""
        seen: set[str] = set()
        for key_node, node in mapping.value:
            self.position += 1
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                self._type_problem(
                    prefix.rstrip(".") or self.name, line, "has a key that is no text"
                )
                continue
            key = str(key_node.value)
            if key in seen and prefix + key in (*GROUPS, *TABLE):
                self._repeated(prefix + key, line)
            seen.add(key)
            yield _Entry(key, line, node)

    def _read_value(self, spec: Spec, entry: _Entry) -> None:
        if is_null(entry.node):
            self.candidates.pop(spec.path, None)
            return
        raw = self._raw(spec, entry)
        if raw is None:
            self.lost.add(spec.path)
        else:
            self.candidates[spec.path] = Candidate(
                spec.path,
                spec.kind,
                raw,
                f"file:{self.name}:{entry.line}",
                spec.path,
                Layer.FILE,
                self.position,
                alias=spec.path,
            )

    def _raw(self, spec: Spec, entry: _Entry) -> str | tuple[Any, ...] | None:
        """Return the value's text or items, or report that its shape is wrong."""
        node = entry.node
        if node.id == "scalar" and not spec.kind.composite:
            return str(node.value)
        if node.id == "sequence" and spec.kind.parse_items is not None:
            items = self._services(node) if spec.kind.composite else _texts(node)
            if items is not None:
                return items
        self._type_problem(spec.path, entry.line, f"must be a {spec.kind.name}")
        return None

    def _services(self, sequence: Node) -> tuple[Mapping[str, str], ...] | None:
        services = tuple(self._service(item) for item in sequence.value if item.id == "mapping")
        return services if len(services) == len(sequence.value) else None

    def _service(self, mapping: Node) -> Mapping[str, str]:
        texts = {}
        for entry in self._entries(mapping, "models.services."):
            path = f"models.services.{entry.key}"
            if entry.key not in KEYS:
                self._unknown(path, entry.line, [f"models.services.{key}" for key in KEYS])
            elif entry.node.id != "scalar":
                self._type_problem(path, entry.line, "must be text")
            elif not is_null(entry.node):
                texts[entry.key] = str(entry.node.value)
        return texts

    def _problem(self, code: str, path: str, line: int, message: str, fix: str = "") -> None:
        origin = f"file:{self.name}:{line}"
        places = (Place("at", origin, path),)
        finding = Finding(code, path, origin, message, fix, places)
        self.report.problem(Layer.FILE, self.position, finding)

    def _type_problem(self, path: str, line: int, message: str) -> None:
        self._problem("type", path, line, message)

    def _repeated(self, path: str, line: int) -> None:
        self._problem(
            "duplicate-key", path, line, f"{path} stands twice in {self.name}", "keep one of them"
        )

    def _unknown(self, path: str, line: int, known: Iterable[str]) -> None:
        meant = find_resembling(path, known)
        message = f"{path} is not a setting{did_you_mean(meant)}"
        self._problem(
            "unknown-key", path, line, message, f"write {meant}" if meant else "remove it"
        )


def _texts(sequence: Node) -> tuple[str, ...] | None:
    """Return the items' texts, null ones empty, or None where an item is no text."""
    if any(item.id != "scalar" for item in sequence.value):
        return None
    return tuple("" if is_null(item) else str(item.value) for item in sequence.value)


def read_file(
    source: NamedText | None, origin: str, report: Report
) -> tuple[list[Candidate], Collection[str]]:
    """Read the configuration file.

    Args:
        source: Its name and text, or None when there is none.
        origin: Where the file was named, for a report that it cannot be read.
        report: Where findings go.

    Returns:
        The candidates in the order of the text, and the paths of which the file may have said
        something that was lost.
    """
    if source is None:
        return [], ()
    name, text = source
    if text is None:
        message = f"{name} cannot be read as UTF-8 text"
        fix = "make it readable, or name another file"
        _report_file(report, "unreadable-file", name, origin, message, fix)
        return [], TABLE.keys()
    root = compose(text)
    if isinstance(root, SyntaxFault):
        message = f"{name} is not valid YAML: {root.message}"
        _report_file(report, "syntax", name, f"file:{name}:{root.line}", message, "")
        return [], TABLE.keys()
    reader = FileReader(name, report)
    if root is not None:
        reader.read(root)
    return list(reader.candidates.values()), reader.lost


def _report_file(report: Report, code: str, name: str, origin: str, message: str, fix: str) -> None:
    places = (Place("at", origin, name),)
    report.problem(Layer.FILE, 0, Finding(code, name, origin, message, fix, places))
