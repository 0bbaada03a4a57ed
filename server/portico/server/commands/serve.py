"""``portico serve``."""

import gc
import os

import click

from portico.core.settings import Resolution
from portico.core.settings.report import is_valid, sources_read
from portico.server.commands.flags import setting_flags
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import format_option, warn
from portico.server.commands.settings import SettingsError, show_warnings, valid_settings
from portico.server.reload import MARK
from portico.server.sources import load


@settings_command()
@click.argument("target", required=False)
@click.option(
    "--asyncio",
    "asyncio_app",
    is_flag=True,
    help="TARGET knows asyncio only; on Trio it runs through trio-asyncio.",
)
@click.option(
    "--static",
    "directory",
    type=click.Path(),
    metavar="DIR",
    help=(
        "Serve the files in DIR too, for every path outside the API's own: /v1, /latest, /docs,"
        " /openapi.json and the probes."
    ),
)
@click.option(
    "--spa",
    is_flag=True,
    help="Answer a browser's navigation to what is no file with DIR's index.html.",
)
@strict_option
@format_option
@click.pass_context
def serve(
    ctx: click.Context,
    target: str | None,
    asyncio_app: bool,
    directory: str | None,
    spa: bool,
    strict: bool,
    output_format: str,
) -> int:
    """Run the server; with TARGET (package.module:app) the same policy before that application.

    Mistakes in the settings are reported as config check does, in the form of --format, and nothing
    is bound.
    """
    resolution = valid_settings(ctx, strict=strict, output_format=output_format)
    if says_warnings(resolution):
        show_warnings(resolution)
    gc.enable()
    # Engines and Quart cost more than all the rest: not before the settings are known to be good.
    from portico.server.serving import EXIT_USAGE
    from portico.server.serving import serve as serve_settings
    from portico.server.site import Site, SiteError

    try:
        site = Site.of(directory, spa=spa, target=target)
    except SiteError as error:
        warn(f"portico: {error}")
        return EXIT_USAGE

    def resolve_again() -> Resolution | None:
        following = load(setting_flags(ctx))
        if is_valid(following, strict=strict):
            show_warnings(following)
            return following
        SettingsError(following, strict=strict, output_format=output_format).show()
        return None

    return serve_settings(
        resolution,
        target=target,
        asyncio_app=asyncio_app,
        site=site,
        read=sources_read(resolution),
        resolve_again=resolve_again,
    )


def says_warnings(resolution: Resolution) -> bool:
    """Say whether this process shows the warnings: with reload only the child that serves does."""
    settings = resolution.settings
    return settings is None or not settings.server.reload or MARK in os.environ
