"""The JSON Schema of the configuration file, for editors."""

from typing import Final

from portico.core.settings.catalogue import file_default, groups, summary_of
from portico.core.settings.spec import Spec

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_object() -> dict[str, object]:
    """Return the JSON Schema of the configuration file.

    It is for editors: ``resolve`` takes more spellings than it lists, never fewer.

    Source: JSON Schema, draft 2020-12.
    """
    return {
        "$schema": SCHEMA_DIALECT,
        "title": "Portico's configuration file",
        "type": "object",
        "additionalProperties": False,
        "properties": {group: _group_schema(group, specs) for group, specs in groups()},
    }


def _group_schema(group: str, specs: list[Spec]) -> dict[str, object]:
    return {
        "description": summary_of(group),
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {spec.key: _setting_schema(spec) for spec in specs},
    }


def _setting_schema(spec: Spec) -> dict[str, object]:
    default = {} if spec.default is None else {"default": file_default(spec)}
    described = {"description": " ".join(filter(None, (spec.doc, spec.recommend)))}
    # A plain null leaves a setting unset, whatever its kind.
    return {**described, **default, "anyOf": [dict(spec.kind.schema), {"type": "null"}]}
