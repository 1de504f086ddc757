"""The commands that read results: compare, pull, query, report. `cli` adds them to its own."""

from pathlib import Path
from typing import Annotated

import typer

from launch.completing import sweep_files
from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption
from launch.telling import JsonOption, answering

SweepOption = Annotated[
    str,
    typer.Argument(
        metavar="[SWEEP]",
        help="A sweep of the tracker ([[ENTITY/]PROJECT/]ID), or a sweep file.",
        autocompletion=sweep_files,
    ),
]
ProjectOption = Annotated[
    str, typer.Option("--project", metavar="[ENTITY/]PROJECT", help="All runs of a project, instead of a sweep.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only runs that meet this: ridge>0.1, state=failed, name~vgg; repeatable."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (compare, pull, query, report):
        app.command()(command)


def compare(
    sweep: SweepOption = "",
    project: ProjectOption = "",
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Average over all else than this factor; repeatable. Default: all that vary, but seeds."
        ),
    ] = None,
    where: WhereOption = None,
    metric: Annotated[list[str] | None, typer.Option(help="Tell of this metric; repeatable.")] = None,
    sort: Annotated[str, typer.Option(help="Sort by this column; from the largest with a - before it.")] = "",
    csv: Annotated[
        Path | None, typer.Option(help="Write the whole table here, and further ones beside it.")
    ] = None,
    parquet: Annotated[Path | None, typer.Option(help="The same as parquet.")] = None,
    latex: Annotated[Path | None, typer.Option(help="The same for papers, as LaTeX (booktabs).")] = None,
    markdown: Annotated[Path | None, typer.Option(help="The same as Markdown.")] = None,
    html: Annotated[Path | None, typer.Option(help="The same as one page of HTML.")] = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Write the figures into this folder; what did not change is not drawn anew."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print the whole table, not its answer alone.")] = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: an experiment's own answer and figures, or any sweep and project by what varies in it."""
    from framework.report.comparison import Wish
    from launch import choice, comparison
    from launch.compare import compare_sweep
    from launch.places import place_of
    from launch.written import Files

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        wish = Wish(tuple(by or ()), tuple(metric or ()), tuple(where or ()), sort)
        files = Files(csv, parquet, latex, markdown, html)
        place = place_of(tracker, sweep, project)
        if place.manager is None or wish != Wish():
            answer(comparison.compare(tracker, place, wish, files, figures, full=full))
            return
        there = f" --dir {directory}" if directory != DEFAULT_DIRECTORY else ""
        again = f"sashiko compare {sweep} --full{' --embedded' if embedded else ''}{there}"
        answer(compare_sweep(tracker, place, files, figures, full=full, again=again))


def pull(
    sweep: SweepOption = "",
    project: ProjectOption = "",
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write into.")] = Path("results"),
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table; repeatable. Default: all but the large ones, which are named."),
    ] = None,
    artifact: Annotated[
        list[str] | None, typer.Option(help="Artifacts of this kind too, such as mapping or model; repeatable.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="All rows that the runs logged, too.")] = False,
    format: Annotated[list[str] | None, typer.Option(help="parquet or csv; repeatable. Default: both.")] = None,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a sweep or a project to this machine: runs, tables, rows and artifacts, as parquet and CSV."""
    from launch import choice, pulling
    from launch.places import place_of

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        wish = pulling.Wish(to, table or (), artifact or (), format or (), history)
        answer(pulling.pull(tracker, place_of(tracker, sweep, project), wish))


def query(
    sql: Annotated[str, typer.Argument(help='SELECT over runs, history and the logged tables; "-" lists those.')],
    sweep: Annotated[
        str,
        typer.Option("--sweep", metavar="SWEEP", help="Of this sweep, or sweep file.", autocompletion=sweep_files),
    ] = "",
    project: ProjectOption = "",
    csv: Annotated[Path | None, typer.Option(help="Write the answer here.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="The same as parquet.")] = None,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask in SQL (DuckDB's): the tables are `runs`, `history`, and each that the runs logged, by its name."""
    from launch import choice, querying
    from launch.places import place_of

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence, err=True)
        answer(querying.query(tracker, place_of(tracker, sweep, project), sql, csv, parquet))


def report(
    sweep: SweepOption = "",
    project: ProjectOption = "",
    html: Annotated[Path | None, typer.Option(help="Write it here. Default: results/NAME.html.")] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="Print it into this file, too, by an installed browser.")
    ] = None,
    workspace: Annotated[
        bool,
        typer.Option(
            "--workspace",
            help="At wandb.ai: save its charts as a workspace and a report there, too (sashiko[workspaces]).",
        ),
    ] = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """A sweep as one page that needs nothing beside it: answer, figures, tables, settings, provenance."""
    from launch import choice, reporting
    from launch.places import place_of

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        answer(reporting.report(tracker, place_of(tracker, sweep, project), html, pdf, workspace=workspace))
