"""``portico openapi``."""

import click

from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit, format_option


@click.command(params=[debug_option()])
@format_option
def openapi(output_format: str) -> int:  # noqa: ARG001 - the document is JSON, whichever is asked
    """Print the API's OpenAPI document; no server is started."""
    from portico.server.openapi import document_json

    return emit(document_json().decode())
