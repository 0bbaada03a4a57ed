"""``portico config show`` and ``portico config explain``."""

import sys

import click
from click.shell_completion import CompletionItem

from portico.core.settings import TABLE, Resolution
from portico.core.settings.explanation import (
    explain_object,
    explain_text,
    find_path,
    show_object,
    show_text,
    suggest_path,
)
from portico.core.settings.report import verdict_line
from portico.server.commands.flags import setting_flags
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import emit, emit_json, format_option, warn
from portico.server.commands.settings import code_of, paint_for
from portico.server.sources import load


@settings_command()
@strict_option
@format_option
@click.pass_context
def show(ctx: click.Context, strict: bool, output_format: str) -> int:
    """Show every setting with its value and its origin; secrets are masked."""
    resolution = load(setting_flags(ctx))
    code = finish(resolution, strict=strict)
    if output_format == "json":
        return emit_json(show_object(resolution), code=code)
    return emit(show_text(resolution), code=code)


class SettingName(click.ParamType[str]):
    """The path of a setting, or one of its variables."""

    name = "setting"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Find the setting, or fail and say which one is near."""
        path = find_path(value)
        if path is None:
            near = suggest_path(value)
            hint = f"; did you mean {near}?" if near else "; portico config show lists them all"
            self.fail(f"{value!r} is not a setting{hint}", param, ctx)
        return path

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Complete the path."""
        near = [path for path in TABLE if path.startswith(incomplete)]
        return [CompletionItem(path, help=TABLE[path].doc) for path in near]


@settings_command()
@click.argument("setting", type=SettingName())
@strict_option
@format_option
@click.pass_context
def explain(ctx: click.Context, setting: str, strict: bool, output_format: str) -> int:
    """Show where the value of SETTING comes from, from the highest layer down.

    SETTING is a path such as server.port, or a variable such as LETTA_PORT.
    """
    resolution = load(setting_flags(ctx))
    code = finish(resolution, strict=strict)
    if output_format == "json":
        return emit_json(explain_object(resolution, setting), code=code)
    return emit(explain_text(resolution, setting, paint=paint_for(sys.stdout)), code=code)


def finish(resolution: Resolution, *, strict: bool) -> int:
    """Point to ``config check`` where there are problems, and return the exit code."""
    code = code_of(resolution, strict=strict)
    if code:
        warn(f"{verdict_line(resolution, strict=strict)}: portico config check shows them")
    return code
