"""The runs of a push, written and sent batch by batch, with a bar; what did not arrive is named.

Whether a run arrived is asked of the destination, and not read from what `wandb sync` prints. Knows no artifacts
and no sweeps beyond the numbers and ids that it passes on.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from framework.errors import TrackerAway
from framework.tracking.remote_runs import set_summary
from launch.progress import runs_bar
from launch.push.ends import End, RunLine
from launch.push.send import Writers, batches, sync

ARRIVAL_S = 20.0


@dataclass
class Sent:
    """What was sent. `failed` holds the reason for each run that was not, by id."""

    runs: int = 0
    rows: int = 0
    files: int = 0
    size: int = 0
    artifacts: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def send_runs(
    source: End,
    target: End,
    todo: Sequence[RunLine],
    there: Mapping[str, RunLine],
    placed: Mapping[str, str],
    workers: int,
    console: Console,
) -> Sent:
    """Write runs offline and send them.

    `there` holds the runs of the destination, whose rows must be the first of those here. `placed` tells which
    sweep at the destination a sweep of the source is.

    Raises:
        TrackerError: the destination does not answer any more; what was sent until then stays sent.
    """
    done = Sent()
    orders = [_order(run, there.get(run.id), source, target, placed) for run in todo]
    with (
        tempfile.TemporaryDirectory(prefix="sashiko-push-") as folder,
        Writers(source.tracker, Path(folder), min(workers, len(orders))) as writers,
        runs_bar(console) as progress,
    ):
        bar = progress.add_task("runs", total=len(orders), note="")
        for batch in batches(writers.write(orders)):
            try:
                failed = dict(_send(target, batch, workers, done))
            except TrackerAway as error:
                raise TrackerAway(f"{error}\nwhat was sent stays sent; the same command goes on") from error
            done.failed |= failed
            for order in batch:
                if order["id"] in failed:
                    text = f"[red]not sent[/] {escape(order['name'])}: {escape(failed[order['id']])}"
                    console.print(text, highlight=False, soft_wrap=True)
            progress.update(bar, advance=len(batch), note=str(batch[-1]["name"]))
    return done


def _order(
    run: RunLine, other: RunLine | None, source: End, target: End, placed: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "path": f"{source.entity}/{source.project}/{run.id}",
        "id": run.id,
        "name": run.name,
        "entity": target.entity,
        "project": target.project,
        "sweep": placed.get(run.sweep or ""),
        "expected": run.sent_state,
        "rows_there": other.rows if other else 0,
        "step_there": other.step if other else -1,
    }


def _send(target: End, batch: Sequence[dict[str, Any]], workers: int, done: Sent) -> Iterator[tuple[str, str]]:
    """Send a batch; the id of each run that is not whole at the destination, and the reason."""
    yield from ((order["id"], order["error"]) for order in batch if "error" in order)
    written = [order for order in batch if "error" not in order]
    if not written:
        return
    folders = [Path(order["folder"]) for order in written]
    said = sync(target.tracker, target.entity, target.project, folders, workers)
    there = _arrived(target, written)
    for order in written:
        run = there.get(order["id"])
        if run is None or not _is_whole(run, order):
            state = f"{run.state} with {run.rows} of {order['rows']} rows" if run else "not there"
            yield order["id"], f"it is {state} at the destination; wandb sync said: {said}"
            continue
        set_summary(target.tracker, run.key, order["summary"])
        done.runs += 1
        done.rows += order["rows"]
        done.files += order["files"]
        done.size += order["bytes"]
        done.artifacts += order["artifacts"]


def _arrived(target: End, written: Sequence[Mapping[str, Any]]) -> dict[str, RunLine]:
    """The runs as the destination has them; it is given some time to count."""
    end = time.monotonic() + ARRIVAL_S
    while True:
        there = {run.id: run for run in target.runs([order["id"] for order in written]) or []}
        whole = all(order["id"] in there and _is_whole(there[order["id"]], order) for order in written)
        if whole or time.monotonic() > end:
            return there
        time.sleep(0.5)


def _is_whole(run: RunLine, order: Mapping[str, Any]) -> bool:
    return bool(run.state == order["expected"] and run.rows == order["rows"])
