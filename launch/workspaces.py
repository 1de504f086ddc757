"""A sweep's charts at wandb.ai, or at a W&B server of one's own: a saved workspace, and a report beside it.

They are those of Sashiko's own page of a sweep, as far as W&B has them: parallel coordinates of what was swept,
what the metric depends on (W&B's forest, where Sashiko's page has exact shares of the variance), the metric over
the first factor that is a number, its curves, and what differs between runs. W&B's library `wandb-workspaces`
writes both, through the client, with the key of the tracker.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.errors import ConfigError, Problem, TrackerError
from framework.importance import names_a_seed
from framework.tracking.bulk import offered
from framework.tracking.tracker import Tracker
from launch.places import Place

if TYPE_CHECKING:
    from framework.tracking.frames import RunsFrame

INSTALL = "pip install 'sashiko[workspaces]'"
MOST_AXES = 8
"""Factors that are axes: of more the names lie upon one another."""


@dataclass(frozen=True)
class Saved:
    """The addresses of what was saved."""

    workspace: str
    report: str


def check(tracker: Tracker) -> None:
    """Whether anything can be saved there, before there is work.

    Raises:
        ConfigError: the tracker is Sashiko's own server, or the library is not installed.
    """
    if offered(tracker):
        told = f"{tracker.url} is Sashiko's, whose page of a sweep has these charts, live"
        raise ConfigError([Problem("--workspace", f"is for wandb.ai and W&B's own servers; {told}")])
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise ConfigError([Problem("--workspace", f"needs W&B's library wandb-workspaces: {INSTALL}")])


def save(tracker: Tracker, place: Place, runs: "RunsFrame", metric: str | None, title: str) -> Saved:
    """Save both, each anew: W&B gives every one an address of its own.

    Raises:
        TrackerError: the tracker refuses them, or does not know them.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    shown = charts(runs, metric)
    of_sweep = [] if place.sweeps is None else [expr.Metric("Sweep").isin(place.sweeps)]
    home = {"entity": place.entity, "project": place.project}
    workspace = ws.Workspace(
        **home,
        name=title,
        sections=[ws.Section(name=title, panels=shown, is_open=True)],
        runset_settings=ws.RunsetSettings(filters=of_sweep),
    )
    grid = wr.PanelGrid(runsets=[wr.Runset(**home, name=title, filters=of_sweep)], panels=charts(runs, metric))
    told = f"{len(runs.frame):,} runs of {place}" + (f"; the metric is {metric}" if metric else "")
    report = wr.Report(**home, title=title[:128], description=told, blocks=[wr.P(told), grid])
    with _as_client(tracker):
        try:
            workspace.save()
            report.save()
        except Exception as error:  # the library lets through whatever its client raises
            raise TrackerError(f"{tracker.url} did not save the workspace: {error}") from error
        return Saved(workspace.url, report.url)


def charts(runs: "RunsFrame", metric: str | None) -> list[Any]:
    """The panels: W&B's own kinds, of the factors that vary and the metric."""
    import wandb_workspaces.reports.v2 as wr

    factors = sorted(runs.factors, key=names_a_seed)[:MOST_AXES]  # seeds last
    ends = [wr.SummaryMetric(metric)] if metric else []
    axes = [*(wr.Config(name) for name in factors), *ends]
    panels: list[Any] = [
        wr.ParallelCoordinatesPlot(columns=[wr.ParallelCoordinatesPlotColumn(metric=axis) for axis in axes])
    ]
    if metric is not None:
        panels.append(wr.ParameterImportancePlot(with_respect_to=metric))
        numeric = _first_number(runs, factors)
        if numeric is not None:
            panels.append(wr.ScatterPlot(x=wr.Config(numeric), y=wr.SummaryMetric(metric)))
        panels.append(wr.LinePlot(y=[metric]))
    panels.append(wr.RunComparer(diff_only="split"))
    return panels


def _first_number(runs: "RunsFrame", factors: Sequence[str]) -> str | None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns = {name: runs.frame[name] for name in factors if not names_a_seed(name)}
    return next(
        (n for n, values in columns.items() if is_numeric_dtype(values) and not is_bool_dtype(values)), None
    )


@contextmanager
def _as_client(tracker: Tracker) -> Iterator[None]:
    """The library asks the client, and the client its environment."""
    wanted = {"WANDB_BASE_URL": tracker.url, "WANDB_API_KEY": tracker.key, "WANDB_SILENT": "true"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
