"""``portico completion``: the script that a shell evaluates to complete ``portico``'s words."""

import click
from click.shell_completion import get_completion_class

from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit

WHERE = {
    "bash": 'eval "$(portico completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(portico completion zsh)"      # in ~/.zshrc',
    "fish": "portico completion fish | source      # in ~/.config/fish/config.fish",
}


@click.command(
    params=[click.Argument(["shell"], type=click.Choice(list(WHERE))), debug_option()],
    epilog="\b\n" + "\n".join(WHERE.values()),
)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for SHELL; settings' flags and values are completed too."""
    # The class is looked up by a name of the choice, so that it is there.
    kind = get_completion_class(shell)
    if kind is None:
        ctx.fail(f"click has no completion for {shell}")
    root = ctx.find_root().command
    return emit(kind(root, {}, "portico", "_PORTICO_COMPLETE").source())
