"""What ``config show`` and ``config explain`` say: values, and where they come from."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from portico.core.engines import maps_to
from portico.core.settings.resolution import Resolution, TraceEntry
from portico.core.settings.spec import Spec
from portico.core.settings.table import TABLE
from portico.core.settings.wording import Paint, columns, place_of, plain, to_json, visible

NO_VALUE: Final = "(no valid value)"
EVERYWHERE: Final = "Portico itself, the same on every engine"
LABEL_WIDTH: Final = 35


def find_path(name: str) -> str | None:
    """Find a setting by its path, or by one of its variables or flags."""
    if name in TABLE:
        return name
    owners = (spec.path for spec in TABLE.values() if name in (*spec.all_names, *spec.flags))
    return next(owners, None)


def suggest_path(name: str) -> str | None:
    """Name the setting that was probably meant."""
    keys = {spec.key: path for path, spec in TABLE.items()}
    near = get_close_matches(name, [*TABLE, *keys], n=1)
    return keys.get(near[0], near[0]) if near else None


def show_text(resolution: Resolution) -> str:
    """Write every setting with its value and the origin of that."""
    rows = [
        (path, value_text(resolution, spec), winner_place(resolution, path))
        for path, spec in TABLE.items()
    ]
    return "\n".join(columns(rows))


def value_text(resolution: Resolution, spec: Spec) -> str:
    """Write the value of a setting as its kind would read it."""
    if spec.path not in resolution.values:
        return NO_VALUE
    value = resolution.values[spec.path]
    return visible(spec.format(value)) if value is not None and value != "" else "(unset)"


def winner_place(resolution: Resolution, path: str) -> str:
    """Write where the value of a setting comes from."""
    winner = winning(resolution, path)
    return "" if winner is None else place_of(winner.origin, winner.name)


def winning(resolution: Resolution, path: str) -> TraceEntry | None:
    """Return the candidate whose value counts, or None where the value is refused."""
    if path not in resolution.values:
        return None
    origin = resolution.provenance.get(path)
    return next((entry for entry in resolution.trace[path] if entry.origin == origin), None)


def show_object(resolution: Resolution) -> dict[str, object]:
    """Return ``{path: {value, origin}}`` in JSON's types, null for refused values."""
    return {
        path: {
            "value": to_json(resolution.values.get(path)),
            "origin": resolution.provenance.get(path),
        }
        for path in TABLE
    }


def explain_text(resolution: Resolution, path: str, *, paint: Paint = plain) -> str:
    """Write a setting's value, its names, what carries it out, and every candidate.

    Args:
        resolution: What was resolved.
        path: A setting of the table.
        paint: Gives emphasis, for terminals.

    Returns:
        Lines without a final line end.
    """
    spec = TABLE[path]
    return "\n".join(
        [
            f"{paint('path', path)} = {value_text(resolution, spec)}",
            f"  names    {' | '.join(_names(spec))}",
            f"  maps to  {maps_to(path) or EVERYWHERE}",
            "  from the highest layer down:",
            *_trace_lines(resolution, path, paint),
        ]
    )


def _names(spec: Spec) -> Iterator[str]:
    yield f"file {spec.path}"
    if spec.all_names:
        yield f"env {', '.join(spec.all_names)}"
    if spec.flags:
        yield f"flag {', '.join(spec.flags)}"


def _trace_lines(resolution: Resolution, path: str, paint: Paint) -> Iterator[str]:
    entries = resolution.trace[path]
    winner = winning(resolution, path)
    labels = [place_of(entry.origin, entry.name) for entry in entries]
    width = max(LABEL_WIDTH, *(len(label) + 2 for label in labels))
    for entry, label in zip(entries, labels, strict=True):
        arrow = "->" if entry is winner else "  "
        flaw = f"   {paint('error', 'INVALID')}: {visible(entry.problem)}" if entry.problem else ""
        yield f"  {arrow} {label.ljust(width)}{visible(entry.text)}{flaw}".rstrip()


def explain_object(resolution: Resolution, path: str) -> dict[str, object]:
    """Return ``{path, value, origin, names, maps_to, trace}`` in JSON's types."""
    spec = TABLE[path]
    return {
        "path": path,
        "value": to_json(resolution.values.get(path)),
        "origin": resolution.provenance.get(path),
        "names": {"file": path, "env": list(spec.all_names), "flag": list(spec.flags)},
        "maps_to": maps_to(path),
        "trace": [
            {"origin": entry.origin, "text": entry.text, "problem": entry.problem}
            for entry in resolution.trace[path]
        ],
    }
