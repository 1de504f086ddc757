"""The table of types against what came before it: the client's list of 50 runs, and an agent's heartbeat.

Both versions are served at once and asked in turn over HTTP, with the same runs, so that they have the same load.
The version before the table comes out of the project's own history.
"""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from wandb.apis.public import runs as client

from tests.benchmarks.bench_search import BEAT
from tests.benchmarks.servers import Line, ours

BEFORE = "cc522d6"
"""The last commit before the table."""
RUNS, CONFIG_KEYS, SUMMARY_KEYS, ROUNDS = 50, 30, 20, 200
NOISE = 1.1
MAKE = """mutation U($name: String, $config: JSONString, $summary: JSONString) { upsertBucket(input: {name: $name,
    modelName: "p", config: $config, summaryMetrics: $summary}) { bucket { id } } }"""
SWEEP = """mutation S($config: String) { upsertSweep(input: {projectName: "p", config: $config}) {
    sweep { name } } }"""
AGENT = """mutation A($sweep: String!) { createAgent(input: {projectName: "p", sweep: $sweep, host: "h"}) {
    agent { id } } }"""
GRID = "method: grid\nparameters: {x: {values: [1]}}"
Asked = Callable[[], float]


def measure() -> list[dict[str, Any]]:
    """Medians of both versions."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        before = Path(folder) / "sources"
        unpack(before)
        asked = []
        for name, sources in (("before", before), ("now", None)):
            home = Path(folder) / name
            home.mkdir()
            asked.append(_prepared(Line(servers.enter_context(ours(home / "state", sources)))))
        took: list[dict[str, list[float]]] = [{name: [] for name in asked[0]} for _ in asked]
        for turn in range(ROUNDS):
            for place in (0, 1) if turn % 2 else (1, 0):
                for name, ask in asked[place].items():
                    took[place][name].append(ask())
    return [_row(name, *(median(one[name]) for one in took)) for name in asked[0]]


def _row(name: str, before: float, now: float) -> dict[str, Any]:
    return {
        "name": f"{name}, medians of {ROUNDS}",
        "measured": f"{now:.2f} ms, before the table of types {before:.2f} ms: {now / before:.2f} of it",
        "target": f"< {NOISE:.2f} of it",
        "reached": now < NOISE * before,
    }


def unpack(folder: Path) -> None:
    """The sources of the version before.

    Raises:
        RuntimeError: the history that lies here does not reach back so far.
    """
    here = Path(__file__).parents[2]
    made = subprocess.run(
        ["git", "-C", str(here), "archive", BEFORE, "framework", "launch"], capture_output=True, check=False
    )
    if made.returncode:
        raise RuntimeError(f"commit {BEFORE} is not in the history of {here}: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")


def _prepared(line: Line) -> dict[str, Asked]:
    """The same runs and a busy agent; what is asked, by its name."""
    for index in range(RUNS):
        config = {f"c{key}": {"value": index * key} for key in range(CONFIG_KEYS)}
        summary = {f"s{key}": index / (key + 1) for key in range(SUMMARY_KEYS)}
        line.ask(MAKE, name=f"r{index}", config=json.dumps(config), summary=json.dumps(summary))
    sweep = json.loads(line.ask(SWEEP, config=GRID))["data"]["upsertSweep"]["sweep"]["name"]
    agent = json.loads(line.ask(AGENT, sweep=sweep))["data"]["createAgent"]["agent"]["id"]
    told = json.loads(line.ask(BEAT, id=agent, runState="{}"))["data"]["agentHeartbeat"]["commands"]
    run = json.loads(told)[0]["run_id"]
    place = {"project": "p", "entity": "local", "perPage": RUNS}
    queries = {lazy: client._create_runs_query(lazy=lazy) for lazy in (False, True)}
    return {
        f"the client's list of {RUNS} runs, all told": lambda: line.timed(queries[False], **place),
        f"the client's list of {RUNS} runs, lazy": lambda: line.timed(queries[True], **place),
        "the heartbeat of an agent at work": lambda: line.timed(BEAT, id=agent, runState=json.dumps({run: True})),
    }
