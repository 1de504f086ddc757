"""The comparison of a sweep: the experiment's own report, on the terminal, as files, and in W&B."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from experiments import manager_of
from framework.errors import TrackerError
from framework.tracking import sweeps
from framework.tracking.results import Results, sweep_results
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.show import print_frame

if TYPE_CHECKING:
    from framework.report import Report

DPI = 200


def compare_sweep(tracker: Tracker, path: SweepPath, csv: Path | None, figures: Path | None) -> None:
    """Print the table of a sweep; write it, and draw its figures into a folder and into W&B, where asked.

    Raises:
        TrackerError: there is no such sweep, or it has no finished run.
    """
    manager = manager_of(sweeps.definition_of(tracker, path).experiment)
    results = sweep_results(str(path), manager.config)
    if results.runs.empty or not (results.runs["state"] == "finished").any():
        raise TrackerError(f"no run of {path} has finished; work it with: sashiko agents {path}")
    report = manager.report(results)
    print_frame(report.readable())
    typer.echo(f"sweep   {results.url}")
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        report.table.to_csv(csv, index=False)
        typer.echo(f"table   {csv}")
    if figures is not None:
        _draw(report, results, figures)


def _draw(report: "Report", results: Results, folder: Path) -> None:
    from framework.tracking.reports import log_report

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, draw in report.figures.items():
        drawn[name] = folder / f"{name}.png"
        draw().savefig(drawn[name], dpi=DPI)
        typer.echo(f"figure  {drawn[name]}")
    project_path, sweep_id = results.path.rsplit("/", 1)
    url = log_report(project_path, sweep_id, results.definition.experiment, report.table, drawn)
    typer.echo(f"report  {url}")
