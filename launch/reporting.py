"""sashiko report: a sweep as one page, with its answer, figures, tables, settings and provenance; as PDF, too."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework.errors import TrackerError
from framework.tracking.tracker import Tracker
from launch import printing, workspaces
from launch.comparison import metric_of, seeds_of
from launch.fetching import telling
from launch.places import Place
from launch.report_rows import facts_of, provenance_of, settings_of
from launch.words import counted

if TYPE_CHECKING:
    from framework.report.document import Document
    from framework.tracking.frames import RunsFrame

DPI = 150


@dataclass(frozen=True)
class Reported:
    """Where the report lies."""

    path: str
    html: str
    pdf: str | None
    figures: int
    runs: int
    saved: workspaces.Saved | None


def report(
    tracker: Tracker, place: Place, html: Path | None, pdf: Path | None, *, workspace: bool = False
) -> Reported:
    """Write the report of a sweep, by default among the results, under its name; save its charts with W&B, too.

    Raises:
        TrackerError: no run of it has finished, or the tracker does not save a `workspace`.
        ConfigError: a PDF is asked for, and there is no browser that prints it, or it fails; a workspace is asked
            for, and the tracker is Sashiko's own server.
    """
    from framework.report.document import page
    from framework.tracking.frames import page_of, runs_frame
    from framework.tracking.mirror import look

    browser = None if pdf is None else printing.browser()
    if workspace:
        workspaces.check(tracker)
    with telling() as say, look(tracker, place.project_path, place.sweeps, say) as mirror:
        told = mirror.runs()
    runs = runs_frame(told, page_of(tracker, place.project_path))
    done = int((runs.frame["state"] == "finished").sum()) if not runs.frame.empty else 0
    if not done:
        raise TrackerError(f"no run of {place} has finished; work it with: sashiko agents {place}")
    with tempfile.TemporaryDirectory(prefix="sashiko-report-") as folder:
        document = _document(tracker, place, runs, told, Path(folder))
        text = page(document)
    html = html or Path("results") / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', document.title)}.html"
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(text, encoding="utf-8")
    typer.echo(f"report  {html} ({len(text.encode()):,} bytes, {counted(len(document.pictures), 'figure')})")
    if pdf is not None and browser is not None:
        printing.to_pdf(browser, html, pdf)
        typer.echo(f"report  {pdf} ({pdf.stat().st_size:,} bytes)")
    saved = None
    if workspace:
        saved = workspaces.save(tracker, place, runs, document.metric or None, document.title)
        typer.echo(f"workspace {saved.workspace}\nreport    {saved.report}")
    of_pdf = None if pdf is None else str(pdf)
    return Reported(str(place), str(html), of_pdf, len(document.pictures), done, saved)


def _document(
    tracker: Tracker, place: Place, runs: "RunsFrame", told: Sequence[Mapping[str, Any]], folder: Path
) -> "Document":
    from framework.report.document import Document

    seeds = seeds_of(place, runs.factors)
    metric = metric_of(place)
    swept, fixed = settings_of(runs)
    own = place.manager is not None
    parts = _of_experiment(place, folder) if own else _of_any(place, runs, seeds, metric, folder)
    metric = metric if metric in runs.metrics else next(iter(parts.pop("metrics", ())), None)
    parts.pop("metrics", None)
    return Document(
        title=_title(place),
        subtitle=f"{place}, {tracker.url}",
        facts=facts_of(place, runs),
        importance=_importance(place, runs, seeds, metric) if metric else None,
        metric=metric or "",
        swept=swept,
        fixed=fixed,
        provenance=provenance_of(tracker, place, told),
        **parts,
    )


def _title(place: Place) -> str:
    """The name of the sweep, or of the project."""
    return (
        place.project
        if place.sweep is None
        else str(place.sweep.definition.data.get("name") or place.sweep.path.id)
    )


def _of_experiment(place: Place, folder: Path) -> dict[str, Any]:
    """What the experiment says of its sweep, and its figures."""
    from framework.report.document import Picture
    from framework.report.drawing import draw_into
    from framework.tracking.results import sweep_results

    if place.manager is None:
        return {}
    with telling() as say:
        results = sweep_results(str(place), place.manager.config, successors=place.successors, say=say)
        found = place.manager.report(results)
    answer = found.answer() if found.answer is not None else None
    stale = [f"runs used {name}, which was stale: {'; '.join(why)}" for name, why in results.stale.items()]
    pictures = [Picture(one.name, one.path) for one in draw_into(folder, found.figures, dpi=DPI)]
    return {
        "answer": None if answer is None else answer.table, "caption": () if answer is None else answer.caption,
        "notes": [*found.notes, *stale], "pictures": pictures, "tables": {"table": found.readable(), **found.more},
        "metrics": results.metrics,
    }  # fmt: skip


def _of_any(
    place: Place, runs: "RunsFrame", seeds: Sequence[str] | None, metric: str | None, folder: Path
) -> dict[str, Any]:
    """The table by what varies, and figures of it, of runs that are of no experiment."""
    from framework.report.comparison import Wish, compare
    from framework.report.document import Picture
    from framework.report.drawing import draw_into
    from framework.report.plain import figures_of

    found = compare(runs, Wish(), seeds=seeds, first=metric)
    pictures = []
    if found.metrics:
        done = runs.frame[runs.frame["state"] == "finished"]
        drawn = figures_of(done, list(found.by), found.metrics[0], maximize=_maximizes(place))
        pictures = [Picture(one.name, one.path) for one in draw_into(folder, drawn, dpi=DPI)]
    table = {"table": found.readable()}
    return {"notes": found.notes, "tables": table, "metrics": found.metrics, "pictures": pictures}


def _maximizes(place: Place) -> bool:
    data = {} if place.sweep is None else place.sweep.definition.data
    return (data.get("metric") or {}).get("goal") == "maximize"


def _importance(place: Place, runs: "RunsFrame", seeds: Sequence[str] | None, metric: str) -> Any:
    import pandas as pd

    from framework.importance import importance, names_a_seed

    done = runs.frame[runs.frame["state"] == "finished"]
    varying = [name for name in runs.factors if (names_a_seed(name) if seeds is None else name in seeds) is False]
    factors = {name: [_hashable(value) for value in done[name]] for name in varying}
    values = pd.to_numeric(done[metric], errors="coerce").to_numpy(dtype=float, na_value=float("nan"))
    data = {} if place.sweep is None else place.sweep.definition.data
    found = importance(str(data.get("method", "grid")), factors, values.tolist(), maximize=_maximizes(place))
    return found if found.effects else None


def _hashable(value: Any) -> Any:
    import pandas as pd

    return None if not isinstance(value, list | dict) and pd.isna(value) else value
