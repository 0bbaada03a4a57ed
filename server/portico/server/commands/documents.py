"""``portico config schema``, ``template`` and ``docs``: what the table gives without any source."""

import click

from portico.core.settings.json_schema import schema_object
from portico.core.settings.reference import reference_markdown, reference_object
from portico.core.settings.templates import dotenv_template, template_object, yaml_template
from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit, emit_json, format_option


@click.command(params=[debug_option()])
@format_option
def schema(output_format: str) -> int:  # noqa: ARG001 - JSON Schema is JSON, whichever is asked
    """Print the JSON Schema of the configuration file, for editors."""
    return emit_json(schema_object())


@click.command(params=[debug_option()])
@click.argument("kind", type=click.Choice(["env", "yaml"]), default="env")
@format_option
def template(kind: str, output_format: str) -> int:
    """Print every setting with its default, commented out: for .env, or for conf.yaml.

    With --format json it is a configuration file of all defaults: JSON is YAML too.
    """
    if output_format == "json":
        return emit_json(template_object())
    return emit(dotenv_template() if kind == "env" else yaml_template())


@click.command(params=[debug_option()])
@format_option
def docs(output_format: str) -> int:
    """Print the reference of all settings in Markdown."""
    if output_format == "json":
        return emit_json(reference_object())
    return emit(reference_markdown())
