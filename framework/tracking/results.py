"""Results: a sweep as tidy pandas frames.

`runs` has one row a run: identity, state, factors typed as configured (dotted names), metrics. `tables` holds the
tables that the runs logged, joined, each row with the id of its run. Nothing is read from a worker's disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from framework.config import Config
from framework.definition import Definition, raw_config
from framework.errors import ConfigError
from framework.layers import leaves
from framework.tracking import sweeps
from framework.tracking.current import current_tracker
from framework.tracking.frames import COUNT, IDENTITY, identity, page_of, unwrapped
from framework.tracking.mirror import Say, look
from framework.tracking.mirror.rows import number
from framework.tracking.run import INPUTS, SASHIKO
from framework.tracking.states import BEST_FIRST, FINISHED
from framework.tracking.sweeps import SweepPath
from framework.tracking.tables import Tables


@dataclass(frozen=True)
class Results:
    """A sweep as frames, with the names of the factors that it varies.

    `runs` has the columns `IDENTITY`, the fields of the config by dotted name, and the `metrics` of the summary. A
    field that is called like a column of the identity, or `n` like the count of reports, is `config.<field>`
    there; a metric that is called like either is `summary.<metric>`. `stale`: the stale artifacts that runs used,
    each with its reasons. `filters`: W&B's, which take in the runs.
    """

    path: str
    url: str
    definition: Definition
    config: type[Config]
    runs: pd.DataFrame
    tables: Tables
    metrics: tuple[str, ...] = ()
    stale: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def factors(self) -> list[str]:
        """The columns of the fields whose values differ between the runs."""
        names = [column_of(name) for name in self._fields()]
        swept = [name for name in self.runs.columns if name in names]
        return [name for name in swept if self.runs[name].map(repr).nunique() > 1]

    def _fields(self) -> set[str]:
        raws = [raw_config(point) for point in self.definition.examples()]
        return {name for raw in raws for name in leaves(raw, self.config)}


def column_of(field_name: str) -> str:
    """The column of a field of the config."""
    return f"config.{field_name}" if field_name in (*IDENTITY, COUNT) else field_name


def sweep_results(
    path: str, config: type[Config], *, tables: bool = True, successors: Sequence[str] = (), say: Say | None = None
) -> Results:
    """The results of the sweep entity/project/id, and of those (by id) that worked what it left open.

    Where a point was worked twice (its first worker died), the run that finished counts. `say` is told how far
    fetching is.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
        ArtifactError: a table's bytes do not match their digest.
    """
    tracker = current_tracker()
    place = SweepPath(*path.split("/"))
    definition = sweeps.find(tracker, place).definition
    project_path, url = f"{place.entity}/{place.project}", page_of(tracker, f"{place.entity}/{place.project}")
    of_sweeps = [place.id, *successors]
    filters = {"sweep": {"$in": of_sweeps} if successors else place.id}
    with look(tracker, project_path, of_sweeps, say) as mirror:
        lines = [_line(run, config, url) for run in mirror.runs()]
        whole, metrics = _frame(lines)
        runs = _one_per_point(whole)
        kept = set(runs["run_id"]) if not runs.empty else set()
        finished = [line.identity["run_id"] for line in lines if line.config and line.is_finished]
        having = [run_id for run_id in finished if run_id in kept]
        logged = Tables(project_path, having, mirror if tables and having else None, filters)
    used = [line.used for line in lines if line.identity["run_id"] in kept]
    stale = {use["version"]: use["stale"] for uses in used for use in uses.values() if use.get("stale")}
    return Results(path, f"{url}/sweeps/{place.id}", definition, config, runs, logged, metrics, stale, filters)


class Line(NamedTuple):
    """One run: who it is, what was configured (None if today's config does not admit it), what came out."""

    identity: dict[str, Any]
    config: Config | None
    metrics: dict[str, Any]
    used: Mapping[str, Any]

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end, with a config of today."""
        return bool(self.identity["state"] == FINISHED)


def _line(run: Mapping[str, Any], config: type[Config], url: str) -> Line:
    truth = unwrapped(run["config"]).get(SASHIKO) or {}
    about = identity(run, url)
    typed = None
    try:
        typed = config.parse(truth["config"]) if "config" in truth else None
    except ConfigError:
        about["state"] = f"{run['state']} (another config)"  # made by a version with other fields
    metrics = {
        key: number(value)
        for key, value in run["summary"].items()
        if not key.startswith("_") and isinstance(value, bool | int | float | str)
    }
    return Line(about, typed, metrics, truth.get(INPUTS) or {})


def _frame(lines: Sequence[Line]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame of the runs, and the columns of their metrics."""
    factors = [{} if line.config is None else factors_of(line.config) for line in lines]
    fields = {column_of(name): name for row in factors for name in row}
    taken = {*IDENTITY, COUNT, *fields}
    names = dict.fromkeys(name for line in lines for name in line.metrics)
    metrics = {f"summary.{name}" if name in taken else name: name for name in names}
    rows = [
        line.identity
        | {column: row[name] for column, name in fields.items() if name in row}
        | {column: line.metrics[name] for column, name in metrics.items() if name in line.metrics}
        for line, row in zip(lines, factors, strict=True)
    ]
    return pd.DataFrame(rows), tuple(metrics)


def factors_of(config: Config) -> dict[str, Any]:
    """The values of a config by dotted name, as the config types them."""
    data = config.model_dump()
    return {name: _at(data, name) for name in leaves(data, type(config))}


def _at(data: Any, name: str) -> Any:
    for part in name.split("."):
        data = data[part]
    return data


def _one_per_point(runs: pd.DataFrame) -> pd.DataFrame:
    if runs.empty:
        return runs
    rank = runs["state"].map({state: i for i, state in enumerate(BEST_FIRST)}).fillna(len(BEST_FIRST))
    known = runs.assign(_rank=rank, _key=runs["config_id"].fillna(runs["run_id"]))
    best = known.sort_values("_rank", kind="stable").drop_duplicates("_key").sort_index()
    return best.drop(columns=["_rank", "_key"]).reset_index(drop=True)
