"""A project of any W&B server, told as the bulk path tells it, through the questions that W&B's client asks.

What the list of runs tells is asked for whole each time, some pages of it: W&B has no word for "changed since".
Rows and tables, the bulk of it, are asked for where the list has changed, a few runs at a time; `Tracker` waits
where the server wants to be left alone.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson

from framework.tracking import artifacts, remote_runs
from framework.tracking.lineage import Version, of_runs
from framework.tracking.mirror.rows import parse
from framework.tracking.mirror.source import CLIENTS, File, Rows
from framework.tracking.mirror.store import Stamp
from framework.tracking.run import APART, RESULTS_KIND
from framework.tracking.tracker import Tracker

AT_ONCE = 8
"""Runs that are read side by side."""
PAGE = 10_000
"""Rows of one answer."""
LAST = 2**60
TABLE_KIND = "run_table"
_FIELDS = (
    "name displayName state sweepName group jobType tags notes createdAt heartbeatAt historyLineCount config "
    "summaryMetrics commit"
)
_HISTORY = """
query HistoryPage($entity: String!, $project: String!, $run: String!, $minStep: Int64!, $maxStep: Int64!,
                  $pageSize: Int!) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { history(minStep: $minStep, maxStep: $maxStep, samples: $pageSize) }
  }
}"""


class ApiSource:
    """See `Source`."""

    def __init__(self, tracker: Tracker, entity: str, project: str) -> None:
        self._tracker, self._entity, self._project = tracker, entity, project
        self._nodes: dict[str, Mapping[str, Any]] = {}

    def stamps(self, sweeps: Collection[str] | None) -> list[Stamp] | None:
        """See `Source`."""
        filters: dict[str, Any] = {} if sweeps is None else {"sweep": {"$in": sorted(sweeps)}}
        found = remote_runs.listed(self._tracker, self._entity, self._project, filters, _FIELDS)
        if found is None:
            return None
        self._nodes = {node["name"]: node for node in found}
        return [
            Stamp(name, place, node["sweepName"], hashlib.blake2b(orjson.dumps(node), digest_size=10).hexdigest())
            for place, (name, node) in enumerate(self._nodes.items())
        ]

    def told(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[tuple[str, bytes]]:
        """See `Source`."""
        for name in self._nodes if names is None else names:
            node = self._nodes[name]
            yield name, orjson.dumps({
                "id": name, "name": node["displayName"], "state": node["state"], "sweep": node["sweepName"],
                "group": node["group"], "job_type": node["jobType"], "tags": node["tags"], "notes": node["notes"],
                "created_at": _seconds(node["createdAt"]), "heartbeat_at": _seconds(node["heartbeatAt"]),
                "commit": node["commit"], "config": orjson.Fragment(node["config"] or "{}"),
                "summary": orjson.Fragment(node["summaryMetrics"] or "{}"),
            })  # fmt: skip

    def histories(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[Rows]:
        """See `Source`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(self._history, list(self._nodes) if names is None else names)

    def _history(self, name: str) -> Rows:
        lines: list[str] = []
        where = {"entity": self._entity, "project": self._project, "run": name}
        wanted, last = self._nodes[name]["historyLineCount"] or 0, self._last_step(name)
        first, span = 0, PAGE
        while len(lines) < wanted and first <= last:
            page = {"minStep": first, "maxStep": first + span, "pageSize": PAGE}
            run = (self._tracker.execute(_HISTORY, where | page).get("project") or {}).get("run") or {}
            found = run.get("history") or []
            if len(found) >= PAGE and span > PAGE:  # perhaps a sample of them
                span = max(span // 10, PAGE)
                continue
            lines += found
            first += span
            span = span if found else 10 * span  # steps may be far apart
        return Rows(name, len(lines), "".join(f"{line}\n" for line in lines).encode())

    def _last_step(self, name: str) -> int:
        """The last step of a run, as its summary tells it; where it does not, none is known to be the last."""
        summary = parse(self._nodes[name]["summaryMetrics"] or "{}")
        step = summary.get("_step")
        return int(step) if isinstance(step, int | float) else LAST

    def tables(
        self, names: Sequence[str] | None, sweeps: Collection[str] | None, only: str | None
    ) -> Iterator[list[File]]:
        """See `Source`."""
        wanted = list(self._nodes) if names is None else list(names)
        path = f"{self._entity}/{self._project}"
        filters: dict[str, Any] = {"name": {"$in": wanted}} if names is not None else {}
        if names is None and sweeps is not None:
            filters = {"sweep": {"$in": sorted(sweeps)}}
        logged = dict(of_runs(self._tracker, path, filters, "made")) if wanted else {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda name: list(_files(path, name, logged.get(name, ()))), wanted)


def _files(path: str, run: str, versions: Sequence[Version]) -> Iterator[File]:
    """The tables of a run: of each collection those of its newest version, its own results before the client's."""
    newest = {version.collection: version for version in sorted(versions, key=lambda version: version.number)}
    own = [version for version in newest.values() if version.kind == RESULTS_KIND]
    for version in own or [version for version in newest.values() if version.kind == TABLE_KIND]:
        folder = artifacts.fetch(path, version)
        names = set()
        for file in sorted(folder.rglob("*.parquet" if own else f"*{CLIENTS}")):
            name = file.relative_to(folder).as_posix().removesuffix(".parquet").removesuffix(CLIENTS)
            names.add(name)
            yield File(run, name, file.read_bytes(), bool(own))
        apart = map(str, version.metadata.get(APART) or ())
        yield from (File(run, name, None, apart=True) for name in apart if name not in names)


def _seconds(told: str | None) -> float | None:
    """A moment in seconds since 1970."""
    if not told:
        return None
    moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
