"""Groups of commands that import a command when it is asked for, not to list it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is defined, and the line that lists it.

    Attributes:
        target: ``module:name``, the module relative to the group's package.
        summary: The line in the group's help.
    """

    target: str
    summary: str


class LazyGroup(click.Group):
    """A click group whose commands are imported on use.

    Args:
        name: The group's name.
        lazy: Every command by its name, in the order of the help.
        package: The package in which the commands' modules stand.
        attributes: What else :class:`click.Group` takes.
    """

    def __init__(
        self, name: str, lazy: Mapping[str, LazyCommand], *, package: str, **attributes: Any
    ) -> None:
        super().__init__(name, **attributes)
        self.context_settings = {"help_option_names": ["-h", "--help"]}
        self.params.append(debug_option())
        self.lazy = lazy
        self.package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands without importing one."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command of that name."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(f".{module}", self.package), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table, so that ``--help`` imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a name that is none, say which one is near."""
        if args[0] not in self.lazy and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; {self.suggest(args[0])}")
        return super().resolve_command(ctx, args)

    def suggest(self, name: str) -> str:
        """Name the nearest command, or all of them."""
        from difflib import get_close_matches

        near = get_close_matches(name, self.lazy, n=1)
        return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.lazy)}"


def debug_option() -> click.Option:
    """Declare ``--debug`` where it is no setting: :mod:`portico.server.cli` itself looks for it."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, help="Show tracebacks of unexpected errors."
    )
