"""The comparison of any sweep or project: the table by what varies, as wide as the terminal, and files of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from framework.errors import ConfigError, Problem, TrackerError
from framework.fields import is_replicate_at
from framework.tracking.tracker import Tracker
from launch.fetching import telling
from launch.places import Place
from launch.show import print_frame
from launch.telling import Exact
from launch.words import counted
from launch.written import Files, write

if TYPE_CHECKING:
    import pandas as pd

    from framework.report.comparison import Comparison, Wish

ROWS = 100
"""Rows that the terminal shows unless all are asked for."""
GAP = 2


@dataclass(frozen=True)
class Compared:
    """The comparison as a document: `rows` hold the numbers, without the columns that none has."""

    path: str
    url: str
    by: list[str]
    metrics: list[str]
    runs: int
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def compare(
    tracker: Tracker, place: Place, wish: "Wish", files: Files, figures: Path | None, *, full: bool
) -> Compared:
    """Print the table of what was asked for, and write it where asked.

    Raises:
        ConfigError: a name that is no column; figures, which only an experiment has.
        TrackerError: there is no such project, or no run that meets the conditions.
    """
    from framework.report.comparison import compare as compared
    from framework.tracking.frames import page_of, runs_frame
    from framework.tracking.mirror import look

    if figures is not None:
        told = (
            "are drawn by an experiment's own comparison: leave out --by, --metric, --where, --sort and --project"
        )
        raise ConfigError([Problem("--figures", told)], "compare")
    url = page_of(tracker, place.project_path)
    with telling() as say, look(tracker, place.project_path, place.sweeps, say) as mirror:
        runs = runs_frame(mirror.runs(), url)
    if runs.frame.empty:
        raise TrackerError(f"{place} has no runs yet")
    found = compared(runs, wish, seeds=seeds_of(place, runs.factors), first=metric_of(place))
    if not found.runs:
        states = ", ".join(f"{count:,} {state}" for state, count in runs.frame["state"].value_counts().items())
        raise TrackerError(f"no run of {place} is left by the conditions, or is finished; its runs: {states}")
    notes = [*found.notes, *_print(found, full=full)]
    for note in notes:
        typer.echo(f"note    {note}")
    page = url if place.sweep is None else f"{url}/sweeps/{place.sweep.path.id}"
    typer.echo(f"runs    {counted(found.runs, 'run')} of {page}")
    return Compared(
        str(place), page, list(found.by), list(found.metrics), found.runs, records_of(found.table), notes,
        write(found.table, found.readable(), files),
    )  # fmt: skip


def seeds_of(place: Place, names: list[str]) -> list[str] | None:
    """The factors that the experiment marks as replicates; None where it is not known, and names must tell."""
    if place.manager is None:
        return None
    config = place.manager.config
    return [name for name in names if is_replicate_at(config, name.removeprefix("config."))]


def metric_of(place: Place) -> str | None:
    """The metric that a sweep names."""
    metric = {} if place.sweep is None else place.sweep.definition.data.get("metric") or {}
    return str(metric["name"]) if "name" in metric else None


def _print(found: "Comparison", *, full: bool) -> list[str]:
    """Print as many columns as the terminal has place for, and rows as one reads; what was left out, in words."""
    console = Console()
    readable = found.readable()
    left = []
    if not full and len(readable) > ROWS:
        left.append(f"{len(readable) - ROWS:,} further rows are left out (--full prints all)")
        readable = readable.head(ROWS)
    shown = fitting(readable, console.width, len(found.by)) if console.is_terminal and not full else readable
    out = [str(name) for name in readable.columns if name not in shown]
    if out:
        left.append(
            f"left out, as wider than the terminal: {', '.join(out)} (--metric chooses, --full prints all)"
        )
    print_frame(shown)
    return left


def fitting(readable: "pd.DataFrame", width: int, keep: int) -> "pd.DataFrame":
    """As many columns from the left as fit into `width` characters; the first `keep` and one more in any case."""
    room, chosen = width + GAP, []
    for place, name in enumerate(readable.columns):
        room -= max([len(str(name)), *readable[name].astype(str).str.len()]) + GAP
        if room < 0 and place > keep:
            break
        chosen.append(name)
    return readable[chosen]


def records_of(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a table as JSON has them: numbers with all digits, null for what is missing."""
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return [{str(name): _json(value) for name, value in row.items()} for row in rows]


def _json(value: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(value, dict):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_json(item) for item in value]
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | int | str):
        return value
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, bool | int):
        return found
    return Exact(found) if isinstance(found, float) and abs(found) != float("inf") else str(found)
