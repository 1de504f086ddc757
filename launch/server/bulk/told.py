"""What is told of a run, a sweep or a version, as the database keeps it; and whether it is what is there already.

Whatever comes is somebody's word: kinds of values are checked here, before anything is stored.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from launch.server.errors import UNPROCESSABLE, ApiError
from launch.server.storage import points, runs
from launch.server.wire import checked_name, dumps, loads

RUN_STATES = (
    runs.PENDING, runs.RUNNING, runs.FINISHED, runs.FAILED, runs.CRASHED, runs.KILLED, runs.PREEMPTED,
)  # fmt: skip
SELF_TOLD = ("made", "used", "files", "point", "progress", "rungs", "sweep")
"""What is told of a run beside its columns."""
LARGEST = 2**62


def obj(text: bytes, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ApiError: it is something else.
    """
    value = loads(text)
    if not isinstance(value, dict):
        raise ApiError(f"{what} must be a JSON object", UNPROCESSABLE)
    return value


def text(told: Mapping[str, Any], key: str) -> str | None:
    """A text or none."""
    return _of(told, key, lambda value: value is None or isinstance(value, str), "a text or null")  # type: ignore[no-any-return]


def whole(told: Mapping[str, Any], key: str, least: int = 0) -> int:
    """A whole number; 0 where none is told."""
    value = told.get(key)
    return 0 if value is None else _of(told, key, lambda v: _is_whole(v, least), "a whole number")


def maybe_whole(told: Mapping[str, Any], key: str) -> int | None:
    """A whole number or none."""
    return None if told.get(key) is None else whole(told, key, -LARGEST)


def moment(told: Mapping[str, Any], key: str) -> float:
    """Seconds since 1970."""
    return float(_of(told, key, _is_moment, "seconds since 1970"))


def one_of(told: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    """One of some words."""
    return str(_of(told, key, lambda value: value in allowed, f"one of {', '.join(allowed)}"))


def rows(told: Mapping[str, Any], key: str) -> list[Any]:
    """A list; empty where none is told."""
    return list(_of(told, key, lambda value: value is None or isinstance(value, list), "a list") or [])


def _of(told: Mapping[str, Any], key: str, good: Callable[[Any], bool], allowed: str) -> Any:
    value = told.get(key)
    if not good(value):
        raise ApiError(f"{key} is {str(value)[:80]!r}; it must be {allowed}", UNPROCESSABLE)
    return value


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < LARGEST


def _is_moment(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def run(told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a run and its columns. One that was at work elsewhere is at work no more."""
    state = one_of(told, "state", RUN_STATES)
    if state in runs.ALIVE:
        told["state"] = state = runs.PREEMPTED if told.get("preempting") else runs.CRASHED
    texts = {name: dumps(json_of(told, name, dict)) for name in ("config", "summary", "system_metrics")}
    columns = {
        "display_name": text(told, "name") or str(told.get("id")), "state": state, **texts,
        "tags": dumps(json_of(told, "tags", list)), "notes": text(told, "notes"),
        "description": text(told, "description"), "group_name": text(told, "group"),
        "job_type": text(told, "job_type"), "commit_hash": text(told, "commit"), "host": text(told, "host"),
        "program": text(told, "program"), "repo": text(told, "repo"), "started": whole(told, "started"),
        "stop_requested": whole(told, "stop_requested"), "preempting": whole(told, "preempting"),
        "exit_code": maybe_whole(told, "exit_code"), "created_at": moment(told, "created_at"),
        "heartbeat_at": moment(told, "heartbeat_at"),
    }  # fmt: skip
    return checked_name(told.get("id"), "run"), columns


def json_of(told: Mapping[str, Any], key: str, kind: type) -> Any:
    """A value of a kind; an empty one where none is told."""
    return (
        _of(told, key, lambda value: value is None or isinstance(value, kind), f"a JSON {kind.__name__}") or kind()
    )


def point(told: dict[str, Any]) -> dict[str, Any]:
    """The columns of a point, without its run. One that was held elsewhere is held no more."""
    state = one_of(told, "state", (points.PENDING, points.CLAIMED, points.ENDED))
    coordinates = told.get("coordinates")
    return {
        "idx": whole(told, "index"), "args": dumps(json_of(told, "args", dict)),
        "state": points.PENDING if state == points.CLAIMED else state, "resume": whole(told, "resume"),
        "attempts": whole(told, "attempts"), "lost": whole(told, "lost"), "added": whole(told, "added"),
        "coordinates": None if coordinates is None else dumps(coordinates),
    }  # fmt: skip


def same_run(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two tellings of a run differ, as far as they tell what it is and what came out.

    Which artifacts it made and used is told by the artifacts; which point it holds, by the sweep.
    """
    keys = [key for key in {**one, **other} if key not in SELF_TOLD or key == "sweep"]
    differ = [key for key in keys if _canonical(one.get(key)) != _canonical(other.get(key))]
    files = [[_file(file) for file in told.get("files") or []] for told in (one, other)]
    return sorted(differ) + ([] if files[0] == files[1] else ["files"])


def _file(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return (told.get("name"), told.get("md5"), told.get("size"))


def _canonical(value: Any) -> str:
    """A value as it is compared; what tells nothing is nothing."""
    return json.dumps(value or None, sort_keys=True)
