"""The reference of all settings, made from the table."""

from collections.abc import Iterable, Iterator
from typing import Final

from portico.core.engines import maps_to
from portico.core.settings.catalogue import default_text, groups, summary_of
from portico.core.settings.profiles import PROFILES
from portico.core.settings.spec import Spec
from portico.core.settings.table import TABLE
from portico.core.settings.wording import to_json


def reference_markdown() -> str:
    """Write the reference of all settings, profiles included."""
    parts = ["# Settings", _INTRODUCTION.strip()]
    for group, specs in groups():
        parts += [f"## {group}", summary_of(group), "\n".join(_table(map(_row, specs), _HEADINGS))]
    parts += ["## Profiles", _PROFILES, "\n".join(_table(_profile_rows(), _PROFILE_HEADINGS))]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION: Final = """
A value comes from the highest layer that has one: flags, the environment, `./.env`, the
configuration file (`--config`, else `LETTA_CONFIG` or `LETTA_CONFIG_PATH`, else `./conf.yaml`), the
profile, the built-in default. `portico config explain SETTING` shows every layer's value and where
it stands; `portico config check` finds every mistake at once.

Durations are written `5s`, `1m30s` or `500ms`; a bare number is seconds. Sizes are written `10MiB`
(1024s) or `10MB` (1000s). Lists are written `a, b` or as JSON; `[]` is the empty list. An empty
variable is no value. Of several names of one setting the first is the preferred one; `NAME_FILE`
names a file that holds the value.
"""
_PROFILES: Final = (
    "A profile is chosen by `--profile` or `LETTA_PROFILE` and stands just above the defaults."
)
_HEADINGS: Final = ("setting", "default", "environment", "flag", "effect")
_PROFILE_HEADINGS: Final = ("profile", "setting", "value")


def _row(spec: Spec) -> tuple[str, ...]:
    effect = [spec.doc, spec.recommend, "A secret." if spec.secret else ""]
    effect += [f"Carried out by {carrier}." if (carrier := maps_to(spec.path)) else ""]
    return (
        _code(spec.path),
        _code(default_text(spec)) if default_text(spec) else "",
        ", ".join(map(_code, _documented_names(spec))) or "file only",
        ", ".join(map(_code, (flag for flag in spec.flags if not flag.startswith("--no-")))),
        " ".join(filter(None, effect)),
    )


def _documented_names(spec: Spec) -> tuple[str, ...]:
    """Name the variables; of those that name files only secrets', which need them."""
    return tuple(n for n in spec.all_names if spec.secret or n not in spec.file_names)


def _profile_rows() -> Iterator[tuple[str, ...]]:
    for profile, values in PROFILES.items():
        for path, text in values.items():
            yield _code(profile), _code(path), _code(text)


def _table(rows: Iterable[tuple[str, ...]], headings: tuple[str, ...]) -> Iterator[str]:
    yield _line(headings)
    yield _line(("---",) * len(headings))
    yield from (_line(tuple(cell.replace("|", "\\|") for cell in row)) for row in rows)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text}`"


def reference_object() -> dict[str, object]:
    """Return the table in JSON's types, by path."""
    return {path: _spec_object(spec) for path, spec in TABLE.items()}


def _spec_object(spec: Spec) -> dict[str, object]:
    return {
        "default": to_json(spec.default),
        "kind": spec.kind.name,
        "choices": list(spec.kind.choices),
        "names": {"file": spec.path, "env": list(spec.all_names), "flag": list(spec.flags)},
        "maps_to": maps_to(spec.path),
        "doc": spec.doc,
        "recommend": spec.recommend,
        "live": spec.live,
        "secret": spec.secret,
    }
