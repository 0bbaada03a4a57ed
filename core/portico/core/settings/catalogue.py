"""The table by groups, as every document made from it walks it."""

from collections.abc import Iterator
from itertools import groupby

from portico.core.settings.spec import Spec
from portico.core.settings.table import GROUPS, TABLE
from portico.core.settings.wording import to_json


def groups() -> Iterator[tuple[str, list[Spec]]]:
    """Return the groups of the table with their settings, in its order."""
    for group, specs in groupby(TABLE.values(), key=lambda spec: spec.group):
        yield group, list(specs)


def summary_of(group: str) -> str:
    """Return what the class of a group says of it, in one sentence."""
    return (GROUPS[group].__doc__ or "").strip().partition("\n")[0]


def default_text(spec: Spec) -> str:
    """Write the built-in value; empty where there is none."""
    return "" if spec.default is None else spec.format(spec.default)


def file_default(spec: Spec) -> object:
    """Return the built-in value as a configuration file would have it: durations with units."""
    if isinstance(spec.default, float) or spec.kind.name == "size":
        return spec.format(spec.default)
    return to_json(spec.default)
