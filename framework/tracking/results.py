"""Results: a sweep as tidy pandas frames.

`runs` has one row a run: identity, state, factors typed as configured (dotted names), metrics. `tables` holds the
tables that the runs logged, joined, each row with the id of its run. Nothing is read from a worker's disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import wandb

from framework.config import Config
from framework.definition import Definition, raw_config, read
from framework.errors import ConfigError, TrackerError
from framework.layers import leaves
from framework.tracking.run import INPUTS, SASHIKO
from framework.tracking.states import BEST_FIRST, FINISHED
from framework.tracking.tables import Tables, sources_of

IDENTITY = ("run_id", "name", "state", "config_id", "created_at", "url")
"""Columns that say which run it is; not what was configured, and not what came out."""
COUNT = "n"
"""The column of reports that tells how many rows were averaged."""


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
    path: str, config: type[Config], *, tables: bool = True, successors: Sequence[str] = ()
) -> Results:
    """The results of the sweep entity/project/id, and of those (by id) that worked what it left open.

    Where a point was worked twice (its first worker died), the run that finished counts.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
        ArtifactError: a table's bytes do not match their digest.
    """
    api = wandb.Api()
    project_path, sweep_id = path.rsplit("/", 1)
    filters = {"sweep": {"$in": [sweep_id, *successors]} if successors else sweep_id}
    try:
        sweep = api.sweep(path)  # type: ignore[no-untyped-call]
        definition = read(sweep._attrs["config"], path)
        found = list(api.runs(project_path, filters=filters, per_page=500, order="+created_at", lazy=False))
    except (ValueError, wandb.Error) as error:
        raise TrackerError(f"the sweep {path} cannot be read: {error}") from error
    lines = [_line(run, config) for run in found]
    whole, metrics = _frame(lines)
    runs = _one_per_point(whole)
    kept = set(runs["run_id"]) if not runs.empty else set()
    finished = {line.identity["run_id"]: line.config for line in lines if line.config and line.is_finished}
    wanted = {run_id: typed for run_id, typed in finished.items() if run_id in kept} if tables else {}
    logged = Tables(project_path, sources_of(project_path, wanted, filters))
    used = [run.config.get(SASHIKO, {}).get(INPUTS, {}) for run in found if run.id in kept]
    stale = {use["version"]: use["stale"] for uses in used for use in uses.values() if use.get("stale")}
    return Results(path, str(sweep.url), definition, config, runs, logged, metrics, stale, filters)


class Line(NamedTuple):
    """One run: who it is, what was configured (None if today's config does not admit it), what came out."""

    identity: dict[str, Any]
    config: Config | None
    metrics: dict[str, Any]

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end, with a config of today."""
        return bool(self.identity["state"] == FINISHED)


def _line(run: Any, config: type[Config]) -> Line:
    truth = run.config.get(SASHIKO) or {}
    values = (run.id, run.name, run.state, truth.get("config_id"), run.created_at, run.url)
    identity = dict(zip(IDENTITY, values, strict=True))
    typed = None
    try:
        typed = config.parse(truth["config"]) if "config" in truth else None
    except ConfigError:
        identity["state"] = f"{run.state} (another config)"  # made by a version with other fields
    metrics = {
        key: value
        for key, value in run.summary._json_dict.items()
        if not key.startswith("_") and isinstance(value, bool | int | float | str)
    }
    return Line(identity, typed, metrics)


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
