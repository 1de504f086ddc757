"""The comparison of a sweep: the experiment's own report, on the terminal, as files, and in W&B."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from experiments import manager_of
from framework.errors import TrackerError
from framework.tracking import sweeps
from framework.tracking.results import Results, sweep_results
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.show import print_frame
from launch.successors import ids_of_successors

if TYPE_CHECKING:
    import pandas as pd

    from framework.report import Report
    from framework.report.drawing import Drawn

WIDTH = 80


class Wish(NamedTuple):
    """What is asked for: files and folders to write, the whole table on the terminal; `again` would ask for it."""

    csv: Path | None = None
    latex: Path | None = None
    figures: Path | None = None
    full: bool = False
    again: str = "sashiko compare SWEEP --full"


def compare_sweep(tracker: Tracker, path: SweepPath, wish: Wish) -> None:
    """Print the answer or the table of a sweep; write its tables and draw its figures where asked.

    Raises:
        TrackerError: there is no such sweep, or it has no finished run.
    """
    sweep = sweeps.find(tracker, path)
    manager = manager_of(sweep.definition.experiment)
    rest = ids_of_successors(tracker, sweep)
    results = sweep_results(str(path), manager.config, successors=rest)
    if results.runs.empty or not (results.runs["state"] == "finished").any():
        raise TrackerError(f"no run of {path} has finished; work it with: sashiko agents {path}")
    report = manager.report(results)
    print_report(report, full=wish.full)
    for name, why in results.stale.items():
        typer.echo(f"note    runs used {name}, which was stale: {'; '.join(why)}")
    typer.echo(f"sweep   {results.url}{f' and {len(rest)} of what it left open' if rest else ''}")
    write_tables(report, wish.csv, wish.latex)
    if wish.figures is not None:
        _draw(report, results, wish.figures)
    if report.answer is not None and not wish.full:
        typer.echo(f"whole   {len(report.readable())} rows, here: {wish.again}")


def print_report(report: "Report", *, full: bool) -> None:
    """The answer, where the experiment has one and not the whole table is asked for; else the table."""
    if report.answer is not None and not full:
        answer = report.answer()
        print_frame(answer.table, fold=False)
        typer.echo("\n".join(answer.caption) + "\n")
    else:
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
    from framework.report.digest import digest_of
    from framework.report.drawing import draw_into
    from framework.tracking import reports

    drawn = draw_into(folder, report.figures)
    typer.echo(told(drawn, folder))
    project_path, sweep_id = results.path.rsplit("/", 1)
    known = all(figure.digest for figure in drawn)
    digest = digest_of(report.table, [(figure.name, figure.digest) for figure in drawn]) if known else None
    url = reports.shown_report(project_path, sweep_id, digest) or reports.log_report(
        project_path,
        sweep_id,
        results.definition.experiment,
        report.table,
        {figure.name: figure.path for figure in drawn},
        digest,
    )
    typer.echo(f"report  {url}")


def told(drawn: Sequence["Drawn"], folder: Path) -> str:
    """Which figures lie in the folder, and which of them were drawn just now."""
    new = [figure for figure in drawn if figure.new]
    kept = f"{len(drawn) - len(new)} as they were" if len(new) < len(drawn) else ""
    counts = ", ".join(part for part in (f"{len(new)} drawn" if new else "", kept) if part) or "none"
    names = f": {', '.join(figure.name for figure in new or drawn)}" if drawn else ""
    indent = " " * 8
    return textwrap.fill(f"figures {folder / '*.png'}: {counts}{names}", WIDTH, subsequent_indent=indent)
