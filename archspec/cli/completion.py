"""`archspec completion`: a shell script with which Tab completes commands, specs, codes and ops."""

from __future__ import annotations

import click

HINTS = {
    "bash": 'add to ~/.bashrc:  eval "$(archspec completion bash)"',
    "zsh": 'add to ~/.zshrc, after compinit:  eval "$(archspec completion zsh)"',
    "fish": "archspec completion fish > ~/.config/fish/completions/archspec.fish",
}


@click.command("completion", epilog="\n\n".join(f"{shell}: {hint}" for shell, hint in HINTS.items()))
@click.argument("shell", type=click.Choice(list(HINTS)))
def command(shell: str) -> None:
    """Print the script that completes archspec's commands, specs, codes and ops in SHELL."""
    from click.shell_completion import get_completion_class

    from archspec.cli import COMPLETE_VARIABLE, cli

    found = get_completion_class(shell)
    assert found is not None, shell
    completion = found(cli, {}, "archspec", COMPLETE_VARIABLE)
    # not `source()`, which for bash runs bash to find its version, and fails if bash is not installed
    click.echo(completion.source_template % completion.source_vars())
