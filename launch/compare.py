"""The comparison of a sweep: the experiment's own report, on the terminal, as files, and in W&B."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework.errors import TrackerError
from framework.tracking.results import Results, sweep_results
from framework.tracking.tracker import Tracker
from launch.comparison import records_of
from launch.fetching import telling
from launch.places import Place
from launch.show import print_frame
from launch.written import Files, write

if TYPE_CHECKING:
    from framework.report import Report
    from framework.report.drawing import Drawn

WIDTH = 80


@dataclass(frozen=True)
class Answered:
    """The comparison of an experiment as a document: the table whole, and what stands beside it."""

    path: str
    url: str
    rows: list[dict[str, Any]]
    notes: list[str]
    files: list[str] = field(default_factory=list)


def compare_sweep(
    tracker: Tracker, place: Place, files: Files, figures: Path | None, *, full: bool, again: str
) -> Answered:
    """Print the answer or the table of a sweep; write its tables and draw its figures where asked.

    `again`: the command that asks for the whole table.

    Raises:
        TrackerError: there is no such sweep, or it has no finished run.
    """
    if place.manager is None:
        raise TrackerError(f"{place} is of no experiment of this project")
    with telling() as say:
        results = sweep_results(str(place), place.manager.config, successors=place.successors, say=say)
        if results.runs.empty or not (results.runs["state"] == "finished").any():
            raise TrackerError(f"no run of {place} has finished; work it with: sashiko agents {place}")
        report = place.manager.report(results)
    print_report(report, full=full)
    notes = [f"runs used {name}, which was stale: {'; '.join(why)}" for name, why in results.stale.items()]
    for note in notes:
        typer.echo(f"note    {note}")
    rest = len(place.successors)
    typer.echo(f"sweep   {results.url}{f' and {rest} of what it left open' if rest else ''}")
    written = write(report.table, report.readable(), files, report.more)
    if figures is not None:
        _draw(report, results, figures)
    if report.answer is not None and not full:
        typer.echo(f"whole   {len(report.readable())} rows, here: {again}")
    return Answered(str(place), results.url, records_of(report.table), [*report.notes, *notes], written)


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
