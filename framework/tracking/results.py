"""Results: a sweep as tidy pandas frames.

`runs` has one row a run: identity, state, factors typed as configured (dotted names), metrics. `tables` holds the
tables that the runs logged, joined, each row with the id of its run. Nothing is read from a worker's disk.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.compute as pc
from pydantic import BaseModel

from framework.config import Config
from framework.definition import Definition, raw_config
from framework.errors import ConfigError, Problem, TrackerError
from framework.fields import nearest
from framework.layers import leaves
from framework.tracking import sweeps
from framework.tracking.current import current_tracker
from framework.tracking.frames import COUNT, IDENTITY, RunsFrame, identity, page_of, runs_frame, unwrapped
from framework.tracking.mirror import Say, look
from framework.tracking.mirror.rows import number
from framework.tracking.mirror.store import RUN
from framework.tracking.run import INPUTS, SASHIKO
from framework.tracking.states import BEST_FIRST, FINISHED
from framework.tracking.sweeps import SweepPath
from framework.tracking.tables import Tables, columns_frame, empty
from framework.tracking.tracker import Tracker

STEP = "_step"
PLAIN = (str, int, float, bool, type(None))


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
    def project_path(self) -> str:
        """entity/project."""
        return self.path.rsplit("/", 1)[0]

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
    """The values of a config by dotted name, as the config types them.

    The same as `flat_values` of its whole data, without making that: there are thousands of configs in a sweep.
    """
    return dict(_values(config, ""))


def _values(config: BaseModel, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _values(value, f"{prefix}{name}.")
        elif type(value) in PLAIN or (type(value) is tuple and all(type(part) in PLAIN for part in value)):
            yield f"{prefix}{name}", value
        else:
            yield f"{prefix}{name}", config.model_dump(include={name})[name]


def _one_per_point(runs: pd.DataFrame) -> pd.DataFrame:
    if runs.empty:
        return runs
    rank = runs["state"].map({state: i for i, state in enumerate(BEST_FIRST)}).fillna(len(BEST_FIRST))
    known = runs.assign(_rank=rank, _key=runs["config_id"].fillna(runs["run_id"]))
    best = known.sort_values("_rank", kind="stable").drop_duplicates("_key").sort_index()
    return best.drop(columns=["_rank", "_key"]).reset_index(drop=True)


# --- any sweep, any project ---------------------------------------------------------------------------------


def frame(path: str, *, tracker: Tracker | None = None, say: Say | None = None) -> pd.DataFrame:
    """A row a run of a sweep (entity/project/id) or of a whole project (entity/project), whoever made them.

    Columns: which run it is, what was configured by dotted name, the numbers and words of its summary; see
    `frames.runs_frame`. A second call asks only for what has changed.

    Raises:
        TrackerError: there is no such sweep or project, or the tracker does not answer.
    """
    return frame_of(path, tracker=tracker, say=say).frame


def frame_of(path: str, *, tracker: Tracker | None = None, say: Say | None = None) -> RunsFrame:
    """As `frame`, with which columns were configured and which came out."""
    speaker = tracker or current_tracker()
    project_path, of_sweeps = _place(path)
    with look(speaker, project_path, of_sweeps, say) as mirror:
        return runs_frame(mirror.runs(), page_of(speaker, project_path))


def history(
    path: str, keys: Sequence[str] = (), *, tracker: Tracker | None = None, say: Say | None = None
) -> pd.DataFrame:
    """All rows that the runs of a sweep or a project logged, run by run, with the column `run_id`.

    `keys`: of these columns alone, beside `run_id` and `_step`; rows that have none of them are left out.

    Raises:
        TrackerError: there is no such sweep or project, or the tracker does not answer.
        ConfigError: no run has logged a key.
    """
    project_path, of_sweeps = _place(path)
    with look(tracker or current_tracker(), project_path, of_sweeps, say) as mirror:
        found = mirror.history()
    if found is None:
        found = empty()
    if keys:
        known = [name for name in found.column_names if name not in (RUN, STEP)]
        if unknown := [key for key in keys if key not in known]:
            raise ConfigError([Problem(key, f"was logged by no run; {nearest(key, known)}") for key in unknown])
        found = found.select([RUN, *(name for name in (STEP,) if name in found.column_names), *keys])
        there = functools.reduce(pc.or_, (pc.is_valid(found[key]) for key in keys))  # NaN was logged, and stays
        found = found.filter(there)
    return columns_frame(found)


def table(path: str, name: str, *, tracker: Tracker | None = None, say: Say | None = None) -> pd.DataFrame:
    """A table that the runs of a sweep or a project logged, joined, with the column `run_id`.

    Raises:
        TrackerError: there is no such sweep or project, or the tracker does not answer.
        ConfigError: no run has logged such a table.
        ArtifactError: a table's bytes do not match their digest.
    """
    project_path, of_sweeps = _place(path)
    filters: dict[str, Any] = {} if of_sweeps is None else {"sweep": of_sweeps[0]}
    with look(tracker or current_tracker(), project_path, of_sweeps, say) as mirror:
        tables = Tables(project_path, mirror.names, mirror, filters)
    if name not in tables:
        raise ConfigError(
            [Problem(f"table {name}", f"was logged by no run of {path}; {nearest(name, list(tables))}")]
        )
    return tables[name]


def _place(path: str) -> tuple[str, list[str] | None]:
    """The project of a path, and its sweep, where it has one.

    Raises:
        TrackerError: it is no path.
    """
    parts = path.strip("/").split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise TrackerError(f"`{path}` is neither a sweep (ENTITY/PROJECT/SWEEP) nor a project (ENTITY/PROJECT)")
    return "/".join(parts[:2]), parts[2:] or None
