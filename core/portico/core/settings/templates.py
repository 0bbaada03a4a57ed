"""Complete templates of a configuration: every setting with its built-in value."""

import json
from textwrap import wrap
from typing import Final

from portico.core.settings.catalogue import default_text, file_default, groups, summary_of
from portico.core.settings.spec import Spec

LINE_LENGTH: Final = 96
INTRODUCTION: Final = "Every setting with its built-in value; remove the # of a line to change it."


def dotenv_template() -> str:
    """Write a ``.env`` file of all settings, commented out."""
    blocks = [f"# {INTRODUCTION}\n# Quotes are not needed; an empty value is no value."]
    for group, specs in groups():
        lines = [f"# {group}: {summary_of(group)}"]
        for spec in specs:
            if spec.names:
                lines += [*_remarks(spec, "# "), f"#{spec.names[0]}={default_text(spec)}", ""]
        blocks.append("\n".join(lines).rstrip())
    return "\n\n".join(blocks) + "\n"


def yaml_template() -> str:
    """Write a ``conf.yaml`` of all settings, commented out."""
    blocks = [f"## {INTRODUCTION}\n## The # of the group above it goes too."]
    for group, specs in groups():
        lines = [f"## {summary_of(group)}", f"#{group}:"]
        for spec in specs:
            lines += [*_remarks(spec, "  # "), f"#  {spec.key}: {_yaml_value(spec)}".rstrip()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _remarks(spec: Spec, start: str) -> list[str]:
    sentences = " ".join(filter(None, (spec.doc, spec.recommend, _secret_remark(spec))))
    return wrap(sentences, LINE_LENGTH, initial_indent=start, subsequent_indent=start)


def _secret_remark(spec: Spec) -> str:
    if not spec.secret or not spec.file_names:
        return ""
    return f"A secret: better in a file that {spec.file_names[0]} names."


def _yaml_value(spec: Spec) -> str:
    """Write the built-in value as YAML: JSON is a part of it, and quotes what needs quotes."""
    return "" if spec.default is None else json.dumps(file_default(spec))


def template_object() -> dict[str, dict[str, object]]:
    """Return a configuration of every setting with its built-in value; JSON is YAML too."""
    return {
        group: {spec.key: None if spec.default is None else file_default(spec) for spec in specs}
        for group, specs in groups()
    }
