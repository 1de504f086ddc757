"""A sweep or a project brought to this machine, with a line for everything that was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.tracking.tracker import Tracker
from launch.fetching import telling
from launch.places import Place
from launch.show import visible

if TYPE_CHECKING:
    import pandas as pd

    from framework.tracking.export import Exportable, Format, Written
    from framework.tracking.tables import Tables


@dataclass(frozen=True)
class Wish:
    """What to write where: tables, kinds of artifacts and formats by name (none: what is usual), the history."""

    folder: Path
    tables: Sequence[str] = ()
    artifacts: Sequence[str] = ()
    formats: Sequence[str] = ()
    history: bool = False


@dataclass(frozen=True)
class File:
    """A file, or the folder of an artifact, and how many rows or files it holds."""

    what: str
    path: str
    size: int


@dataclass(frozen=True)
class Pulled:
    """What was written, and the large tables that were left there."""

    path: str
    files: list[File] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def add(self, what: str, written: "Sequence[Written]", unit: str) -> None:
        """Tell of files, and keep them."""
        for path, size in written:
            typer.echo(visible(f"{what}  {path} ({size:,} {unit})"))
            self.files.append(File(what, str(path), size))


@dataclass(frozen=True)
class Plain:
    """Runs as the tracker tells them, whoever made them."""

    project_path: str
    runs: "pd.DataFrame"
    tables: "Tables"
    filters: Mapping[str, Any]


def pull(tracker: Tracker, place: Place, wish: Wish) -> Pulled:
    """Write runs, tables, rows and artifacts of a sweep or a project.

    Raises:
        ConfigError: a format, table or kind of artifact that there is not.
        TrackerError: there is no such project, or the tracker does not answer.
        ArtifactError: bytes do not match their digest.
    """
    from framework.tracking.export import export_artifacts, export_frame, export_runs, export_table

    chosen = _formats(wish.formats)
    done = Pulled(str(place))
    with telling() as say:
        results = _results(tracker, place, say)
        rows = _rows(tracker, place, results, say) if wish.history else None
    done.add("runs", export_runs(results, wish.folder, chosen), "rows")
    if rows is not None:
        done.add("history", export_frame(rows, "history", wish.folder, chosen), "rows")
    apart = results.tables.apart
    for name in wish.tables or [name for name in results.tables if name not in apart]:
        done.add(name, export_table(results, name, wish.folder, chosen), "rows")
    for name in sorted(apart - set(wish.tables)) if not wish.tables else []:
        typer.echo(visible(f"{name}  is large and was left there; fetch it with --table {name}"))
        done.left.append(name)
    for kind in wish.artifacts:
        done.add(kind, export_artifacts(results, kind, wish.folder), "files")
    return done


def _results(tracker: Tracker, place: Place, say: Any) -> "Exportable":
    """The runs: typed by their experiment, where they are of one, with a run a point; else as they are told."""
    from framework.tracking.frames import page_of, runs_frame
    from framework.tracking.mirror import look
    from framework.tracking.results import sweep_results
    from framework.tracking.tables import Tables

    if place.manager is not None:
        return sweep_results(str(place), place.manager.config, successors=place.successors, say=say)
    with look(tracker, place.project_path, place.sweeps, say) as mirror:
        runs = runs_frame(mirror.runs(), page_of(tracker, place.project_path)).frame
        tables = Tables(place.project_path, mirror.names, mirror, place.filters)
    return Plain(place.project_path, runs, tables, place.filters)


def _rows(tracker: Tracker, place: Place, results: "Exportable", say: Any) -> "pd.DataFrame":
    from framework.tracking.mirror import look
    from framework.tracking.tables import columns_frame, empty

    with look(tracker, place.project_path, place.sweeps, say) as mirror:
        wanted = set(results.runs["run_id"])
        found = mirror.history([name for name in mirror.names if name in wanted])
    return columns_frame(empty() if found is None else found)


def _formats(given: Sequence[str]) -> "list[Format]":
    from framework.tracking.export import FORMATS

    known = [str(name) for name in FORMATS]
    problems = [Problem("format", f"is {name!r}; {nearest(name, known)}") for name in given if name not in known]
    if problems:
        raise ConfigError(problems, "pull")
    return [name for name in FORMATS if not given or name in given]
