"""What a tracker tells of runs as one tidy frame, whoever made them: a row a run.

A run of this framework tells its whole config as it was typed; of any other run it is W&B's config. Sections are
their values by dotted name. What the client or this framework write of themselves is left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd

from framework.config import canonical_json
from framework.tracking.keys import pages_of
from framework.tracking.mirror.rows import flat, number
from framework.tracking.run import SASHIKO
from framework.tracking.tracker import Tracker

IDENTITY = ("run_id", "name", "state", "config_id", "created_at", "url")
"""Columns that say which run it is; not what was configured, and not what came out."""
ABOUT = ("sweep", "group", "job_type", "tags", "notes", "duration_s")
"""Further columns of a frame, where any run has one of them."""
COUNT = "n"
"""The column of reports that tells how many rows were averaged."""
CLIENTS = ("_wandb", "wandb_version")


class RunsFrame(NamedTuple):
    """The runs, and which of the columns were configured (`fields`), and which came out (`metrics`)."""

    frame: pd.DataFrame
    fields: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def factors(self) -> list[str]:
        """The fields whose values differ between the runs."""
        return [name for name in self.fields if self.frame[name].map(repr).nunique() > 1]


def runs_frame(told: Sequence[Mapping[str, Any]], url: str = "") -> RunsFrame:
    """The frame of runs as the mirror tells them. `url`: the address of their project's page.

    A field or a metric that is called like a column before it is `config.<field>` or `summary.<metric>` there.
    """
    configs = [flat(plain_config(run["config"])) for run in told]
    summaries = [metrics_of(run["summary"]) for run in told]
    abouts = [_about(run) for run in told]
    about = [name for name in ABOUT if any(row[name] not in (None, "", []) for row in abouts)]
    taken = {*IDENTITY, COUNT, *about}
    fields = {name: f"config.{name}" if name in taken else name for name in _names(configs)}
    taken |= set(fields.values())
    metrics = {name: f"summary.{name}" if name in taken else name for name in _names(summaries)}
    columns: dict[str, list[Any]] = {name: [] for name in (*IDENTITY, *about)}
    for run, row in zip(told, abouts, strict=True):
        for name, value in identity(run, url).items():
            columns[name].append(value)
        for name in about:
            columns[name].append(row[name])
    columns |= {column: [config.get(name) for config in configs] for name, column in fields.items()}
    columns |= {column: [summary.get(name) for summary in summaries] for name, column in metrics.items()}
    frame = pd.DataFrame({name: typed(values) for name, values in columns.items()})
    return RunsFrame(frame, tuple(fields.values()), tuple(metrics.values()))


def typed(values: list[Any]) -> Any:
    """Values as a column that keeps their kind: whole numbers stay whole where some runs have none."""
    there = [value for value in values if value is not None]
    if len(there) == len(values) or not there:
        return pd.Series(values, dtype=object) if _is_mixed(there) else values
    if all(isinstance(value, bool) for value in there):
        return pd.array(values, dtype="boolean")
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in there):
        return pd.array(values, dtype="Int64")
    return pd.Series(values, dtype=object) if _is_mixed(there) else values


def _is_mixed(values: Sequence[Any]) -> bool:
    """Whether values are of several kinds, which a column of one kind would change."""
    kinds = {bool if isinstance(value, bool) else float if isinstance(value, int | float) else type(value)
             for value in values}  # fmt: skip
    return len(kinds) > 1


def identity(run: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Which run it is, in the columns of `IDENTITY`."""
    truth = unwrapped(run["config"]).get(SASHIKO)
    config_id = truth.get("config_id") if isinstance(truth, Mapping) else None
    values = (run["id"], run["name"] or run["id"], run["state"], config_id, moment(run["created_at"]))
    return dict(zip(IDENTITY, (*values, f"{url}/runs/{run['id']}"), strict=True))


def page_of(tracker: Tracker, project_path: str) -> str:
    """The address of a project's page: that of the tracker, which for wandb.ai is another than its API's."""
    return f"{pages_of(tracker.url)}/{project_path}"


def _about(run: Mapping[str, Any]) -> dict[str, Any]:
    runtime = run["summary"].get("_runtime") if isinstance(run["summary"], Mapping) else None
    duration = runtime if isinstance(runtime, int | float) else None
    told = {name: run.get(name) or None for name in ABOUT if name != "duration_s"}
    tags = told["tags"]
    return told | {"duration_s": duration, "tags": " ".join(map(str, tags)) if tags else None}


def plain_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was configured: as this framework typed it, else W&B's config without its wrapping."""
    values = unwrapped(config)
    truth = values.get(SASHIKO)
    if isinstance(truth, Mapping) and isinstance(truth.get("config"), Mapping):
        return dict(truth["config"])
    return {key: value for key, value in values.items() if key not in (*CLIENTS, SASHIKO)}


def unwrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of W&B's config, each of which stands in a wrapping, but for what the client wrote."""
    return {
        key: value["value"] if isinstance(value, Mapping) and "value" in value else value
        for key, value in config.items()
        if key not in CLIENTS
    }


def metrics_of(summary: Any) -> dict[str, Any]:
    """The numbers and words of a summary by dotted name, without what the tools write of themselves."""
    if not isinstance(summary, Mapping):
        return {}
    own = {key: value for key, value in summary.items() if not key.startswith("_")}
    values = {name: number(value) for name, value in flat(_without_media(own)).items()}
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}


def _without_media(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_media(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if not (isinstance(value, Mapping) and ("_type" in value or not value))
    }


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 as the API tells them."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def level(value: Any) -> str:
    """A value as a word to group by: equal values have one, and those that are alike in print have not."""
    if isinstance(value, float) and value.is_integer() and math.isfinite(value):
        value = int(value)
    return canonical_json(value) if isinstance(value, dict | list) else repr(value)
