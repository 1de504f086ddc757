"""Grids as sweep files; and what a sweep file means that nobody has written.

Each grid of an experiment is the file `sweeps/NAME.yaml`. An installed package has the grids alone: where there is
no such file, its grid is meant, in the words that the file would have.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments import EXPERIMENTS, manager_of
from framework.definition import Definition, checked, read_file
from framework.errors import DefinitionError, Problem, UnknownExperiment
from framework.fields import nearest
from framework.grid import Grid

FOLDER, SUFFIX = Path("sweeps"), ".yaml"
SUFFIXES = (SUFFIX, ".yml", ".json")
"""What names of sweep files end with."""
PROJECT = "sashiko"
WRITTEN = "Written from the grids by `make sweeps`. Use: sashiko sweep FILE --workers 2, or: wandb sweep FILE"
WRITE = f"python -m experiments --write-sweeps {FOLDER}"


def text_of(name: str, experiment: str, grid: Grid) -> str:
    """A grid as the text of a sweep file."""
    return f"# {WRITTEN}\n" + grid.definition(name, experiment, project=PROJECT).text()


def write_all(folder: Path) -> None:
    """Write the grids of all experiments as `<name>.yaml`, which `wandb sweep` takes as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for experiment in EXPERIMENTS:
        for name, grid in manager_of(experiment).grids.items():
            (folder / f"{name}{SUFFIX}").write_text(text_of(name, experiment, grid), encoding="utf-8")


def read(path: Path) -> Definition:
    """The sweep definition in a file, or that of a grid, where its file is not there; that is told then.

    Raises:
        DefinitionError: there is neither, or the file is invalid.
    """
    if path.exists() or not may_be_brought(path):
        return read_file(path)
    for name, experiment, grid in _grids():
        if name == path.stem:
            print(f"note: there is no {path} here: Sashiko's own is meant ({WRITE} writes it)", file=sys.stderr)
            return checked(text_of(name, experiment, grid), str(path))
    message = f"there is no such file, nor a grid `{path.stem}`; {nearest(path.stem, names())}"
    raise DefinitionError([Problem("", message)], str(path))


def may_be_brought(path: Path) -> bool:
    """Whether a path is one at which a grid could stand: `sweeps/NAME.yaml`."""
    return path.parent == FOLDER and path.suffix == SUFFIX


def names() -> list[str]:
    """The names of all grids of the experiments that can be imported."""
    return [name for name, _, _ in _grids()]


def _grids() -> Iterator[tuple[str, str, Grid]]:
    """Each grid with its name and its experiment; one that somebody is editing hides no other."""
    for experiment in EXPERIMENTS:
        with contextlib.suppress(UnknownExperiment):
            for name, grid in manager_of(experiment).grids.items():
                yield name, experiment, grid
