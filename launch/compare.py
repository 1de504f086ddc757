"""The comparison of a sweep: the experiment's own report, on the terminal, as files, and in W&B."""

from collections.abc import Iterator, Mapping
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
    import pandas as pd

    from framework.report import Report

DPI = 200


def compare_sweep(
    tracker: Tracker, path: SweepPath, csv: Path | None, latex: Path | None, figures: Path | None
) -> None:
    """Print the table of a sweep; write its tables, and draw its figures into a folder and W&B, where asked.

    Raises:
        TrackerError: there is no such sweep, or it has no finished run.
    """
    manager = manager_of(sweeps.definition_of(tracker, path).experiment)
    results = sweep_results(str(path), manager.config)
    if results.runs.empty or not (results.runs["state"] == "finished").any():
        raise TrackerError(f"no run of {path} has finished; work it with: sashiko agents {path}")
    report = manager.report(results)
    _print(report)
    typer.echo(f"sweep   {results.url}")
    write_tables(report, csv, latex)
    if figures is not None:
        _draw(report, results, figures)


def _print(report: "Report") -> None:
    print_frame(report.readable())
    for note in report.notes:
        typer.echo(f"note    {note}")
    if report.more:
        typer.echo(f"more    {', '.join(report.more)} (tables that --csv and --latex write beside this one)")


def write_tables(report: "Report", csv: Path | None, latex: Path | None) -> None:
    """Write the table into `csv`, and the readable one into `latex`; further tables beside it, by name."""
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        for path, table in _beside(csv, report.table, report.more, ".csv"):
            table.to_csv(path, index=False)
            typer.echo(f"table   {path}")
    if latex is not None:
        from framework.report.latex import latex as as_latex

        latex.parent.mkdir(parents=True, exist_ok=True)
        for path, table in _beside(latex, report.readable(), report.more, ".tex"):
            path.write_text(as_latex(table), encoding="utf-8")
            typer.echo(f"table   {path}")


def _beside(
    file: Path, first: "pd.DataFrame", more: Mapping[str, "pd.DataFrame"], suffix: str
) -> Iterator[tuple[Path, "pd.DataFrame"]]:
    yield file, first
    for name, table in more.items():
        yield file.with_name(f"{file.stem}_{name}{suffix}"), table


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
