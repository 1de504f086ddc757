"""A sweep brought to this machine, with a line for everything that was written."""

from collections.abc import Sequence
from pathlib import Path

import typer

from experiments import manager_of
from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.tracking import sweeps
from framework.tracking.export import FORMATS, Format, Written, export_artifacts, export_runs, export_table
from framework.tracking.results import sweep_results
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.successors import ids_of_successors


def pull_sweep(
    tracker: Tracker,
    path: SweepPath,
    folder: Path,
    tables: Sequence[str],
    artifacts: Sequence[str],
    formats: Sequence[str],
) -> None:
    """Write runs, tables and artifacts of a sweep into `folder`.

    Raises:
        ConfigError: a format, table or kind of artifact that there is not.
        TrackerError: there is no such sweep, or the tracker does not answer.
        ArtifactError: bytes do not match their digest.
    """
    chosen = _formats(formats)
    sweep = sweeps.find(tracker, path)
    manager = manager_of(sweep.definition.experiment)
    rest = ids_of_successors(tracker, sweep)
    results = sweep_results(str(path), manager.config, successors=rest)
    _tell("runs", export_runs(results, folder, chosen), "rows")
    apart = results.tables.apart
    for name in tables or [name for name in results.tables if name not in apart]:
        _tell(name, export_table(results, name, folder, chosen), "rows")
    for name in sorted(apart - set(tables)) if not tables else []:
        typer.echo(f"{name}  is large and was left there; fetch it with --table {name}")
    for kind in artifacts:
        _tell(kind, export_artifacts(results, kind, folder), "files")


def _formats(given: Sequence[str]) -> list[Format]:
    known = [str(name) for name in FORMATS]
    problems = [Problem("format", f"is {name!r}; {nearest(name, known)}") for name in given if name not in known]
    if problems:
        raise ConfigError(problems, "pull")
    return [name for name in FORMATS if not given or name in given]


def _tell(what: str, written: Sequence[Written], unit: str) -> None:
    for path, size in written:
        typer.echo(f"{what}  {path} ({size:,} {unit})")
