"""Checks one vector of the settings format: sources in, a resolution out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from typing import Any

from portico.core.engines import EngineName
from portico.core.launch import LaunchPlan, reveal
from portico.core.settings import (
    TABLE,
    Finding,
    Resolution,
    Secret,
    Settings,
    Sources,
    check_policy,
    database_target,
    resolve,
)
from portico.core.settings.explanation import explain_object, explain_text
from portico.core.settings.report import check_object, check_text

Vector = Mapping[str, Any]


def check(vector: Vector) -> list[str]:
    """Compare what ``resolve`` makes of a vector's sources with what it expects.

    Returns:
        One line for each difference; none when they agree.
    """
    expect = vector["expect"]
    resolution = resolve(sources_of(vector["sources"]))
    return [
        *_compare("value", expect.get("values", {}), resolution.values),
        *_compare("provenance", expect.get("provenance", {}), resolution.provenance),
        *_compare("trace", expect.get("trace", {}), _origins(resolution)),
        *_compare_findings("problem", expect.get("problems", []), _problems(resolution, expect)),
        *_compare_findings("warning", expect.get("warnings", []), resolution.warnings),
        *_compare_settings(resolution, expect),
        *_find_leaks(resolution, expect.get("not_in_report", [])),
    ]


def sources_of(sources: Vector) -> Sources:
    """Make the sources that a vector writes as JSON."""
    defaults = Sources()
    return Sources(
        env=sources.get("env", {}),
        argv=sources.get("argv", ()),
        dotenv=_named_text(sources.get("dotenv")),
        file=_named_text(sources.get("file")),
        files=sources.get("files", {}),
        profile=sources.get("profile"),
        prefix=sources.get("prefix", defaults.prefix),
    )


def _named_text(pair: Sequence[str] | None) -> tuple[str, str] | None:
    return None if pair is None else (pair[0], pair[1])


def plain(value: object) -> object:
    """Write a value as JSON would have it, secrets revealed."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _problems(resolution: Resolution, expect: Vector) -> Sequence[Finding]:
    """Return the problems; those of the compiled policy too where the vector speaks of them."""
    wanted = {problem["code"] for problem in expect.get("problems", [])}
    if any("_" in code for code in wanted):
        return (*resolution.problems, *check_policy(resolution))
    return resolution.problems


def _origins(resolution: Resolution) -> dict[str, list[str]]:
    return {path: [entry.origin for entry in found] for path, found in resolution.trace.items()}


def _same(wanted: object, got: object) -> bool:
    """Compare strictly: in JSON, true is not 1."""
    return (
        type(wanted) is type(got) and wanted == got
        if isinstance(wanted, bool)
        else (wanted == got and not isinstance(got, bool))
    )


def _compare(what: str, wanted: Vector, got: Mapping[str, object]) -> Iterator[str]:
    for key, value in wanted.items():
        found = plain(got.get(key, "(missing)"))
        if not _same(value, found):
            yield f"{what} {key}: wanted {value!r}, got {found!r}"


def _compare_findings(what: str, wanted: Sequence[Vector], got: Sequence[Finding]) -> Iterator[str]:
    shown = [f"{finding.code} {finding.path} at {finding.origin}" for finding in got]
    if len(wanted) != len(got):
        yield f"{what}s: wanted {[one['code'] for one in wanted]}, got {shown}"
        return
    for one, finding in zip(wanted, got, strict=True):
        for key in ("code", "path", "origin"):
            if key in one and one[key] != getattr(finding, key):
                yield f"{what} {key}: wanted {one[key]!r}, got {getattr(finding, key)!r}"
        text = f"{finding.message} {finding.fix}"
        yield from (
            f"{what} {finding.code}: {part!r} is not in {text!r}"
            for part in one.get("contains", [])
            if part not in text
        )


def _compare_settings(resolution: Resolution, expect: Vector) -> Iterator[str]:
    if (resolution.settings is None) != bool(resolution.problems):
        yield "settings must be None exactly when there are problems"
    if resolution.settings is None:
        yield from (
            f"{key}: wanted, but there are no settings"
            for key in ("database_target", "launch")
            if expect.get(key)
        )
        return
    if "database_target" in expect:
        target = plain(database_target(resolution.settings))
        got = target if isinstance(target, dict) else {}
        yield from _compare("database_target", expect["database_target"] or {}, got)
        if expect["database_target"] is None and target is not None:
            yield f"database_target: wanted none, got {target!r}"
    for engine, wanted in expect.get("launch", {}).items():
        parameters = _parameters(resolution.settings, engine)
        yield from _compare(f"launch {engine}", wanted, parameters)


def _parameters(settings: Settings, engine: EngineName) -> Mapping[str, object]:
    """Return what *engine* is started with, whichever engine the vector configures."""
    chosen = replace(settings, server=replace(settings.server, engine=engine))
    adapter = import_module(f"portico.adapters.{engine}")
    return reveal(adapter.parameters(LaunchPlan.from_settings(chosen)).parameters)


def _find_leaks(resolution: Resolution, hidden: Sequence[str]) -> Iterator[str]:
    if not hidden:
        return
    texts = {
        "repr": repr(resolution),
        "report": check_text(resolution),
        "report as JSON": json.dumps(check_object(resolution), ensure_ascii=False),
    }
    for path in TABLE:
        texts[f"explanation of {path}"] = explain_text(resolution, path)
        document = explain_object(resolution, path)
        texts[f"explanation of {path} as JSON"] = json.dumps(document, ensure_ascii=False)
    for name, text in texts.items():
        yield from (f"{part!r} leaks into the {name}" for part in hidden if part in text)
