"""``portico completion``: the script that a shell evaluates to complete ``portico``'s words."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit

COMPLETIONS: Final[dict[str, type[ShellComplete]]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}
WHERE: Final = """\b
eval "$(portico completion bash)"     # in ~/.bashrc
eval "$(portico completion zsh)"      # in ~/.zshrc
portico completion fish | source      # in ~/.config/fish/config.fish"""


@click.command(
    params=[click.Argument(["shell"], type=click.Choice(list(COMPLETIONS))), debug_option()],
    epilog=WHERE,
)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for SHELL; settings' flags and values are completed too."""
    complete = COMPLETIONS[shell](ctx.find_root().command, {}, "portico", "_PORTICO_COMPLETE")
    return emit(complete.source())
