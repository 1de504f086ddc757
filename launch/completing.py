"""What a shell completes beside commands and options: sweep files and experiments. It is to be quick."""

from typing import Annotated

import typer


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
