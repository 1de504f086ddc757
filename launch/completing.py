"""What a shell completes beside commands and options: sweep files and experiments. It is to be quick."""

from typing import Annotated

import typer
from typer import _completion_shared as typers

LOADED = '\nif [[ "$funcstack[1]" == "_%(prog_name)s" ]]; then %(complete_func)s "$@"; fi\n'
"""What typer leaves out: zsh reads its script at the first tab of a shell, which would then complete nothing."""


def at_once_in_zsh() -> None:
    """Let `--install-completion` write a script for zsh that answers the first tab, too."""
    scripts = getattr(
        typers, "_completion_scripts", {}
    )  # typer's own affair: another version may name it otherwise
    if LOADED not in scripts.get("zsh", LOADED):
        scripts["zsh"] += LOADED


def sweep_files(incomplete: str) -> list[str]:
    """The sweep files in `sweeps`, or where there is no such folder, those that Sashiko brings.

    For what begins otherwise there are none, and the shell completes names of files itself.
    """
    from experiments import sweep_files as brought

    if brought.FOLDER.is_dir():
        names = sorted(str(path) for path in brought.FOLDER.iterdir() if path.suffix in brought.SUFFIXES)
    else:
        names = [str(brought.FOLDER / f"{name}{brought.SUFFIX}") for name in brought.names()]
    return [name for name in names if name.startswith(incomplete)]


def experiments(incomplete: str) -> list[str]:
    """The names of experiments."""
    from experiments import EXPERIMENTS

    return [name for name in EXPERIMENTS if name.startswith(incomplete)]


ExperimentArgument = Annotated[str, typer.Argument(help="Name of an experiment.", autocompletion=experiments)]
