"""What a report says beside its tables: which runs, what was varied, what was the same, and where it came from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from framework.config import canonical_json
from framework.errors import SashikoError
from framework.tracking.tracker import Tracker
from launch import records
from launch.places import Place
from launch.telling import lasting

if TYPE_CHECKING:
    from framework.tracking.frames import RunsFrame

LEVELS = 12
"""Values of a factor that are told; of more it is told how many there are."""
Rows = list[tuple[str, str]]


def facts_of(place: Place, runs: "RunsFrame") -> Rows:
    """How many runs there are, when they were made, and how long they took."""
    states = runs.frame["state"].value_counts()
    rows = [("runs", ", ".join(f"{count:,} {state}" for state, count in states.items()))]
    begun = runs.frame["created_at"].dropna()
    if len(begun):
        rows.append(
            ("made", f"{begun.min()} to {begun.max()}" if begun.min() != begun.max() else str(begun.min()))
        )
    if "duration_s" in runs.frame:
        rows.append(("time of all runs", lasting(float(runs.frame["duration_s"].sum()))))
    if place.sweep is not None:
        rows.append(("search", str(place.sweep.definition.data.get("method", "grid"))))
    return rows


def settings_of(runs: "RunsFrame") -> tuple[Rows, Rows]:
    """What was varied, with its values in the order of the runs; and what all runs had alike."""
    from framework.tracking.frames import level

    swept, fixed = [], []
    for name in runs.fields:
        levels = {level(value): value for value in runs.frame[name]}
        if len(levels) == 1:
            fixed.append((name, _word(next(iter(levels.values())))))
        elif len(levels) <= LEVELS:
            swept.append((name, ", ".join(map(_word, levels.values()))))
        else:
            swept.append((name, f"{len(levels):,} values"))
    return swept, fixed


def _word(value: Any) -> str:
    import pandas as pd

    if isinstance(value, list | dict):
        return canonical_json(value)
    return "–" if value is None or pd.isna(value) else str(value)


def provenance_of(tracker: Tracker, place: Place, told: Sequence[Mapping[str, Any]]) -> Rows:
    """What the first finished run tells of where it came from, and how many states of the code there were."""
    commits = sorted({str(run["commit"]) for run in told if run.get("commit")})
    rows: Rows = []
    first = next((run for run in told if run["state"] == "finished"), told[0])
    try:
        record = records.find(tracker, f"{place.project_path}/{first['id']}").told
    except SashikoError:
        record = {}
    git = record.get("git") or {}
    if git.get("commit"):
        rows.append(
            ("code", f"{git['commit']}{' and changes that were not committed' if git.get('dirty') else ''}")
        )
    elif commits:
        rows.append(("code", ", ".join(commits[:LEVELS])))
    if len(commits) > 1:
        rows.append(("states of the code", f"{len(commits)} commits among the runs"))
    for name in ("python", "platform"):
        if record.get(name):
            rows.append((name, str(record[name])))
    device = record.get("device") or {}
    if device:
        cores = f"{device.get('cpu')} ({device.get('cores')} cores)"
        rows.append(("machine", ", ".join([cores, *map(str, device.get("accelerators") or ())])))
    packages = record.get("packages") or {}
    if packages:
        rows.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
    if record:
        rows.append(("again", f"sashiko rerun --from {place.project_path}/{first['id']}"))
    return rows
