"""What ``config check`` says: every finding with its places, or that there is none."""

from collections.abc import Iterator

from portico.core.settings.resolution import Finding, Place, Resolution
from portico.core.settings.wording import Paint, Role, counted, place_of, plain, visible


def is_valid(resolution: Resolution, *, strict: bool = False) -> bool:
    """Say whether a server may start with it; *strict* promotes warnings to problems."""
    return not resolution.problems and not (strict and resolution.warnings)


def check_text(resolution: Resolution, *, strict: bool = False, paint: Paint = plain) -> str:
    """Write every finding, and a line that sums them up.

    Args:
        resolution: What was resolved.
        strict: Whether a warning counts as a problem in the last line.
        paint: Gives emphasis, for terminals.

    Returns:
        Lines without a final line end.
    """
    verdict = verdict_line(resolution, strict=strict, paint=paint)
    return "\n\n".join([*finding_texts(resolution, paint), verdict])


def finding_texts(resolution: Resolution, paint: Paint = plain) -> Iterator[str]:
    """Write problems first, then warnings, each as one block of lines."""
    for finding in resolution.problems:
        yield finding_text(finding, "error", paint)
    for finding in resolution.warnings:
        yield finding_text(finding, "warning", paint)


def finding_text(finding: Finding, severity: Role, paint: Paint = plain) -> str:
    """Write one finding: its code, setting and message, then its places and the way out."""
    head = f"{severity}[{finding.code}]"
    title = f"{paint('path', visible(finding.path))}: {visible(finding.message)}"
    return "\n".join([f"{paint(severity, head)} {title}", *_details(finding, paint)])


def _details(finding: Finding, paint: Paint) -> Iterator[str]:
    for place in finding.related or (Place("at", finding.origin, ""),):
        if place.origin:
            yield f"    {paint('label', f'{place.role:<5}')} {place_text(place)}"
    if finding.fix:
        yield f"    {paint('label', 'fix  ')} {visible(finding.fix)}"


def place_text(place: Place) -> str:
    """Write a place with its value: ``.env:2 LETTA_PORT  = 99999``."""
    value = f"  = {visible(place.text)}" if place.text else ""
    return place_of(place.origin, place.name) + value


def verdict_line(resolution: Resolution, *, strict: bool = False, paint: Paint = plain) -> str:
    """Sum up: ``2 problems, 1 warning (profile prod)``."""
    problems, warnings = len(resolution.problems), len(resolution.warnings)
    profile = f" (profile {resolution.profile})" if resolution.profile else ""
    if is_valid(resolution, strict=strict):
        remark = f", {counted(warnings, 'warning')}" if warnings else ""
        return paint("good", f"the settings are valid{remark}") + profile
    counts = f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}"
    return paint("error", counts) + (" (strict)" if strict and not problems else "") + profile


def sources_read(resolution: Resolution) -> tuple[str, ...]:
    """Name what gave values: ``conf.yaml``, ``.env``, ``environment (2)``, ``flags (1)``."""
    origins = {entry.origin for entries in resolution.trace.values() for entry in entries}
    layers = [origin.partition(":") for origin in sorted(origins)]
    names = [rest.rpartition(":")[0] for layer, _, rest in layers if layer in ("file", "dotenv")]
    for layer, word in (("env", "environment"), ("flag", "flags")):
        if count := sum(one == layer for one, _, _ in layers):
            names.append(f"{word} ({count})")
    return tuple(map(visible, dict.fromkeys(names)))


def check_object(resolution: Resolution, *, strict: bool = False) -> dict[str, object]:
    """Return ``{ok, profile, problems, warnings}`` in JSON's types."""
    return {
        "ok": is_valid(resolution, strict=strict),
        "profile": resolution.profile,
        "problems": [finding_object(finding) for finding in resolution.problems],
        "warnings": [finding_object(finding) for finding in resolution.warnings],
    }


def finding_object(finding: Finding) -> dict[str, object]:
    """Return a finding in JSON's types."""
    return {
        "code": finding.code,
        "path": finding.path,
        "origin": finding.origin,
        "message": finding.message,
        "fix": finding.fix,
        "related": [
            {"role": place.role, "origin": place.origin, "name": place.name, "text": place.text}
            for place in finding.related
        ],
    }
