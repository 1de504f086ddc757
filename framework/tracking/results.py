"""Results: a sweep as tidy pandas frames.

`runs` has one row a run: identity, state, factors typed as configured (dotted names), metrics. `tables` holds the
tables that the runs logged, joined, each row with the id of its run. Nothing is read from a worker's disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import wandb

from framework.config import Config
from framework.definition import Definition, raw_config, read
from framework.errors import ConfigError, TrackerError
from framework.layers import leaves
from framework.tracking.tables import Tables, sources_of

STATE_ORDER = ("finished", "running", "pending", "preempting", "failed", "crashed", "killed")


@dataclass(frozen=True)
class Results:
    """A sweep as frames, with the names of the factors that it varies."""

    path: str
    url: str
    definition: Definition
    config: type[Config]
    runs: pd.DataFrame
    tables: Tables

    @property
    def factors(self) -> list[str]:
        """The dotted fields whose values differ between the runs."""
        names = [name for name in self.runs.columns if name in self._fields()]
        return [name for name in names if self.runs[name].map(repr).nunique() > 1]

    def _fields(self) -> set[str]:
        raws = [raw_config(point) for point in self.definition.examples()]
        return {name for raw in raws for name in leaves(raw, self.config)}


def sweep_results(path: str, config: type[Config], *, tables: bool = True) -> Results:
    """The results of the sweep entity/project/id.

    Where a point was worked twice (its first worker died), the run that finished counts.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
        ArtifactError: a table's bytes do not match their digest.
    """
    api = wandb.Api()
    try:
        sweep = api.sweep(path)  # type: ignore[no-untyped-call]
        definition = read(sweep._attrs["config"], path)
        project_path, sweep_id = path.rsplit("/", 1)
        found = list(
            api.runs(project_path, filters={"sweep": sweep_id}, per_page=500, order="+created_at", lazy=False)
        )
    except (ValueError, wandb.Error) as error:
        raise TrackerError(f"the sweep {path} cannot be read: {error}") from error
    runs = _one_per_point(pd.DataFrame([_row(run, config) for run in found]))
    finished = _finished(runs, config, [run.config for run in found]) if tables else []
    logged = Tables(project_path, sources_of(project_path, finished))
    return Results(path, str(sweep.url), definition, config, runs, logged)


def _row(run: Any, config: type[Config]) -> dict[str, Any]:
    truth = run.config.get("sashiko") or {}
    row: dict[str, Any] = {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "config_id": truth.get("config_id"),
        "created_at": run.created_at,
        "url": run.url,
    }
    try:
        row |= factors_of(config.parse(truth["config"])) if "config" in truth else {}
    except ConfigError:
        row["state"] = f"{run.state} (another config)"  # made by a version with other fields
    metrics = {
        key: value
        for key, value in run.summary._json_dict.items()
        if not key.startswith("_") and isinstance(value, bool | int | float | str)
    }
    return row | metrics


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
    rank = runs["state"].map({state: i for i, state in enumerate(STATE_ORDER)}).fillna(len(STATE_ORDER))
    known = runs.assign(_rank=rank, _key=runs["config_id"].fillna(runs["run_id"]))
    best = known.sort_values("_rank", kind="stable").drop_duplicates("_key").sort_index()
    return best.drop(columns=["_rank", "_key"]).reset_index(drop=True)


def _finished(
    runs: pd.DataFrame, config: type[Config], configs: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Config]]:
    if runs.empty:
        return []
    by_id = {c["sashiko"]["config_id"]: c["sashiko"]["config"] for c in configs if "sashiko" in c}
    return [
        (str(row.run_id), config.parse(by_id[row.config_id]))
        for row in runs[runs["state"] == "finished"].itertuples()
        if row.config_id in by_id
    ]
