"""The comparison of a sweep: the experiment's own report, on the terminal and as files."""

from pathlib import Path

import typer

from experiments import manager_of
from framework.errors import TrackerError
from framework.tracking import sweeps
from framework.tracking.results import sweep_results
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.show import print_frame

DPI = 200


def compare_sweep(tracker: Tracker, path: SweepPath, csv: Path | None, figures: Path | None) -> None:
    """Print the table of a sweep, and write it and its figures where asked.

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
        figures.mkdir(parents=True, exist_ok=True)
        for name, draw in report.figures.items():
            target = figures / f"{name}.png"
            draw().savefig(target, dpi=DPI)
            typer.echo(f"figure  {target}")
