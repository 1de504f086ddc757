"""The processes of `sashiko push`: children that write runs offline, and `wandb sync`, which sends them.

A child writes one run after the other, since starting the client costs ten times what a short run does. Runs are
sent in the order in which they were made, several with one `wandb sync`, but never two that log to one collection
of artifacts together: which version is the later one must not depend on which upload was faster.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from framework.tracking.tracker import Tracker

KEY = "SASHIKO_PUSH_KEY"
"""Where a user gives the key of the destination; the children that read the source do not see it."""
BATCH_RUNS = 8
BATCH_BYTES = 256_000_000
KEPT = ("WANDB_BASE_URL", "WANDB_API_KEY", "WANDB_CONFIG_DIR", "WANDB_ERROR_REPORTING")
RETRIES = {
    f"WANDB_X_{what}_RETRY_{name}": value
    for what in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
    for name, value in (("MAX", "12"), ("WAIT_MIN_SECONDS", "1"), ("WAIT_MAX_SECONDS", "10"))
}
"""Enough for a hiccup of two minutes. By default the client tries for hours and does not say why."""
OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
"""Silent, since what the client says while it writes a run would become lines of the run's console."""
LOOK_S = 2.0
TAIL_LINES = 3


def environment(tracker: Tracker, folder: Path) -> dict[str, str]:
    """The environment of a child: one tracker, and all of the client's own files below `folder`."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(("WANDB", KEY))
    }
    places = {f"WANDB_{name}DIR": str(folder) for name in ("", "CACHE_", "DATA_", "ARTIFACT_")}
    key = {"WANDB_BASE_URL": tracker.url, "WANDB_API_KEY": tracker.key}
    return {**kept, **places, **key, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


class Writers:
    """So many children that write runs of one tracker offline."""

    def __init__(self, source: Tracker, folder: Path, count: int) -> None:
        """Start none yet: a child starts with its first run."""
        self._environment = environment(source, folder)
        self._folder = folder
        self._idle: queue.SimpleQueue[_Child | None] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(None)
        self._pool = ThreadPoolExecutor(count)
        self._children: list[_Child] = []

    def __enter__(self) -> "Writers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for child in self._children:
                child.stop()
        self._pool.shutdown(cancel_futures=True)
        for child in self._children:
            child.end()

    def write(self, orders: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The answers to orders, in their order; not more than `BATCH_RUNS` runs are written ahead."""
        ahead: deque[Future[dict[str, Any]]] = deque()
        for number, order in enumerate(orders):
            if len(ahead) >= BATCH_RUNS:
                yield ahead.popleft().result()
            folder = self._folder / str(number)
            folder.mkdir()
            ahead.append(self._pool.submit(self._answer, {**order, "folder": str(folder)}))
        while ahead:
            yield ahead.popleft().result()

    def _answer(self, order: Mapping[str, Any]) -> dict[str, Any]:
        child = self._idle.get() or self._start()
        answer = child.ask(order)
        self._idle.put(None if answer is None else child)
        return {**order, **(answer or {"error": f"the process that wrote it ended ({child.code()})"})}

    def _start(self) -> "_Child":
        child = _Child(self._environment)
        self._children.append(child)
        return child


class _Child:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "launch.push.replay"], env={**variables, **OFFLINE},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer, or None where the child ended instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return None
        try:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
        except BrokenPipeError:
            return None
        line = stdout.readline()
        return None if not line else dict(json.loads(line))

    def code(self) -> int:
        return self._process.wait()

    def stop(self) -> None:
        self._process.terminate()

    def end(self) -> None:
        self._process.communicate()


def batches(answers: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What is sent with one `wandb sync`: few runs, not too many bytes, no collection of artifacts twice."""
    batch: list[dict[str, Any]] = []
    for answer in answers:
        taken = {name for other in batch for name in other.get("collections", ())}
        size = sum(other.get("bytes", 0) for other in batch)
        if batch and (
            len(batch) == BATCH_RUNS or size >= BATCH_BYTES or taken & set(answer.get("collections", ()))
        ):
            yield batch
            batch = []
        batch.append(answer)
    if batch:
        yield batch


def sync(target: Tracker, entity: str, project: str, folders: Sequence[Path], workers: int) -> str:
    """Send offline runs with the client's own command; the end of what it said.

    Whether they arrived is not taken from here: the destination is asked.

    Raises:
        TrackerAway: the destination has gone; the client alone would wait for it much longer.
    """
    logs = [log.parent for folder in folders for log in folder.glob("wandb/offline-run-*/*.wandb")]
    command = [sys.executable, "-m", "wandb", "sync", "-n", str(workers), "-e", entity, "-p", project]
    client = subprocess.Popen(
        [*command, *map(str, logs)], env=RETRIES | environment(target, folders[0]), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = None
    try:
        while said is None:
            try:
                said, _ = client.communicate(timeout=LOOK_S)
            except subprocess.TimeoutExpired:
                target.check()
    finally:
        if client.poll() is None:
            client.kill()
            client.communicate()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return " ".join(said.strip().splitlines()[-TAIL_LINES:])
