"""The command that splits a table once, for all runs. `cli` adds it to its own."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from framework.data.tabular.config import SHIPPED
from launch.telling import JsonOption, answering

TABLES = f"{', '.join(SHIPPED)}; or a CSV or parquet file."


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(preprocess)


def preprocess(
    kind: Annotated[Literal["tabular"], typer.Argument(help="What kind of data: tabular.")],
    data: Annotated[str, typer.Option(metavar="NAME|FILE", help=TABLES)],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What is predicted; a file needs it.")
    ] = None,
    split: Annotated[float, typer.Option(help="Share of the rows that goes to train, in (0, 1).")] = 0.8,
    separate_sets: Annotated[
        bool,
        typer.Option("--separate-sets", help="Files train and test, instead of one with a column `split`."),
    ] = False,
    stratify: Annotated[
        bool | None,
        typer.Option(
            "--stratify/--no-stratify", help="Draw each class in equal shares. Default: where there are some."
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option("--leave-out", metavar="COLUMN", help="Not written; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The data folder. Default: SASHIKO_DATA, or data.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Of the data set. Default: that of the file, or iris-split and its like."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over another data set of this name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Split a table into train and test, and write both with an info file; runs read it as `data.name: NAME`."""
    from framework.data.tabular.preprocessing import preprocess as write

    with answering(as_json=as_json) as answer:
        found = write(
            data,
            target=target,
            split=split,
            separate_sets=separate_sets,
            stratify=stratify,
            leave_out=leave_out or (),
            seed=seed,
            to=to,
            name=name,
            force=force,
        )
        rows = ", ".join(f"{number} {part}" for part, number in found.rows.items())
        typer.echo(f"{'unchanged' if found.was_there else 'wrote'} {found.folder} ({rows})")
        where = "" if to is None else f"SASHIKO_DATA={shlex.quote(str(to))} "
        typer.echo(f"to use it: {where}sashiko run {kind} --data.name {found.folder.name}")
        answer({"folder": str(found.folder), "rows": dict(found.rows), "was_there": found.was_there})
