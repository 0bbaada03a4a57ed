"""Commands that take every setting as a flag, as the table declares them."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Final

import click

from portico.core.settings import TABLE, Spec

_META: Final = "portico.flags"
LAYERS: Final = ("--profile", "--config")
"""Options that choose layers: they go the way of the settings' flags."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a command line, parted.

    Attributes:
        own: What click reads: the command's own options and arguments.
        flags: The settings' flags with their values, unparsed, for ``resolve``.
    """

    own: tuple[str, ...]
    flags: tuple[str, ...]


class SettingsCommand(click.Command):
    """A command whose unknown long options are settings; ``resolve`` reads them, not click.

    So that a mistake in a flag stands in one report with all other mistakes, and a flag's text is
    read by the same parser as a variable's.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the settings' flags aside and let click read the rest."""
        words = part(args, options_with_value(self.params), options_without_value(self.params))
        ctx.meta[_META] = words.flags
        return super().parse_args(ctx, list(words.own))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters; for completion those of the settings too."""
        own = super().get_params(ctx)
        return [*own, *setting_options()] if ctx.resilient_parsing else own

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then one section for each group of settings."""
        super().format_options(ctx, formatter)
        for group, options in groupby(setting_options(), key=group_of):
            records = [option.get_help_record(ctx) for option in options]
            with formatter.section(f"Settings: {group}"):
                formatter.write_dl([record for record in records if record is not None])


def setting_flags(ctx: click.Context) -> tuple[str, ...]:
    """Return the settings' flags that the running command was given."""
    flags: tuple[str, ...] = ctx.meta[_META]
    return flags


def part(args: Sequence[str], with_value: frozenset[str], without_value: frozenset[str]) -> Words:
    """Part a command line into what click reads and the settings' flags.

    An unknown flag takes the next word with it, so that its value is not taken for an argument: the
    flag is reported in any case.

    Args:
        args: The words after the command's name.
        with_value: The command's own options that take a value.
        without_value: Its other options.
    """
    own: list[str] = []
    flags: list[str] = []
    words = deque(args)
    while words:
        word = words.popleft()
        name, joined, _ = word.partition("=")
        if word == "--":
            own += [word, *words]
            words.clear()
        elif not word.startswith("--") or name in without_value:
            own.append(word)
        elif name in with_value:
            own += [word, *([] if joined else take_value(words))]
        else:
            flags += [word, *([] if joined or name in boolean_flags() else take_value(words))]
    return Words(tuple(own), tuple(flags))


def take_value(words: deque[str]) -> list[str]:
    """Take the next word as a value, unless it is an option itself."""
    return [words.popleft()] if words and not words[0].startswith("--") else []


def options_with_value(params: Iterable[click.Parameter]) -> frozenset[str]:
    """Name the options that take a value and are not a layer's."""
    return frozenset(
        name
        for param in params
        if isinstance(param, click.Option) and not param.is_flag
        for name in param.opts
        if name not in LAYERS
    )


def options_without_value(params: Iterable[click.Parameter]) -> frozenset[str]:
    """Name the options that stand alone, ``--help`` among them."""
    flags = (p for p in params if isinstance(p, click.Option) and p.is_flag)
    return frozenset({"--help"}.union(*(param.opts for param in flags)))


@cache
def boolean_flags() -> frozenset[str]:
    """Name the settings' flags that take no value."""
    return frozenset(
        flag for spec in TABLE.values() if spec.kind.name == "boolean" for flag in spec.flags
    )


@cache
def setting_options() -> tuple[click.Option, ...]:
    """Declare an option for every setting that has a flag, in the order of the table."""
    return tuple(setting_option(spec) for spec in TABLE.values() if spec.flags)


def setting_option(spec: Spec) -> click.Option:
    """Declare one setting's option, for help and completion only."""
    return click.Option(
        declarations(spec),
        type=completed_type(spec),
        metavar=None if spec.kind.name == "choice" else spec.kind.name.upper().replace(" ", "-"),
        multiple=spec.kind.item is not None,
        help=f"{spec.doc} {remarks(spec)}",
        expose_value=False,
    )


def declarations(spec: Spec) -> list[str]:
    """Write the flags in click's way, ``--reload/--no-reload`` for booleans, and a name."""
    name = spec.path.replace(".", "_")
    if spec.kind.name != "boolean":
        return [name, *spec.flags]
    return [name, *map("/".join, zip(spec.flags[::2], spec.flags[1::2], strict=True))]


def completed_type(spec: Spec) -> Any:
    """Choose the click type by which a shell completes the value."""
    if spec.kind.name == "boolean":
        return None
    if spec.kind.name == "path":
        return click.Path()
    return click.Choice(spec.kind.choices) if spec.kind.choices else click.STRING


def remarks(spec: Spec) -> str:
    """Name the variable and the default: ``[LETTA_PORT; 8283]``."""
    default = spec.format(spec.default)
    return "[" + "; ".join(text for text in (*spec.names[:1], default) if text) + "]"


def group_of(option: click.Option) -> str:
    """Name the group of settings to which a derived option belongs."""
    return (option.name or "").partition("_")[0]
