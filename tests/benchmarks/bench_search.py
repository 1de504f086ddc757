"""The next point of a sweep for an agent that calls: grid, random and Bayesian search, as the server answers."""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from launch.server.storage import Tables, open_store, sweeps
from launch.server.wire import gid
from tests.benchmarks.servers import Line, ours

SIZES = (100, 10_000)
TRIALS = 1_000
REPEATS = 30
TARGET_MS = 3.0
BEAT = """mutation H($id: ID!, $runState: JSONString) {
    agentHeartbeat(input: {id: $id, metrics: "{}", runState: $runState}) { agent { id } commands } }"""
AXES = "{lr: {distribution: log_uniform_values, min: 0.00001, max: 0.1}, width: {min: 8, max: 512},"
SPACE = AXES + " depth: {min: 1, max: 8}, drop: {min: 0.0, max: 0.5}, kind: {values: [a, b, c, d]}}"


def measure() -> list[dict[str, Any]]:
    """Medians of a heartbeat that hands out a point, as an agent sees it: over HTTP, from request to reply."""
    grid = {size: _next_ms("grid", size, size // 2) for size in SIZES}
    drawn = {size: _next_ms("random", -1, size // 2) for size in SIZES}
    bayes = _next_ms("bayes", -1, TRIALS)
    rows = [("grid", grid), ("random search", drawn)]
    shown = [
        {
            "name": f"heartbeat and next point, {name}",
            "measured": ", ".join(f"{times[size]:.2f} ms after {size // 2:,} runs" for size in SIZES),
            "target": f"< {TARGET_MS:.0f} ms, flat",
            "reached": max(times.values()) < TARGET_MS and times[SIZES[1]] < 2 * times[SIZES[0]],
        }
        for name, times in rows
    ]
    found = f"{bayes:.0f} ms after {TRIALS:,} runs, other requests go on meanwhile"
    told = {
        "name": "heartbeat and next point, bayes",
        "measured": found,
        "target": "< 500 ms",
        "reached": bayes < 500,
    }
    return [*shown, told]


def _next_ms(method: str, size: int, done: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        store = open_store(state / "server.db")
        with store.write() as tables:
            agents = prepare(tables, method, size, done, REPEATS)
        store.close()
        with ours(state) as server:
            line = Line(server)
            return median(_beat_ms(line, agent) for agent in agents)


def _beat_ms(line: Line, agent: int) -> float:
    start = time.perf_counter()
    reply = line.ask(BEAT, id=gid("Agent", agent), runState="{}")
    took = 1e3 * (time.perf_counter() - start)
    if b'type\\":\\"run' not in reply:
        raise RuntimeError(f"the agent got no run: {reply!r}")
    return took


def prepare(tables: Tables, method: str, size: int, done: int, agents: int) -> list[int]:
    """A sweep of which `done` points have ended, and agents that are about to call."""
    text = (
        f"method: {method}\nmetric: {{name: loss}}\nparameters: {SPACE if method != 'grid' else '{x: {value: 1}}'}"
    )
    project, _ = tables.projects.make("bench", 1)
    length = sweeps.NO_END if size < 0 else size
    sweep = tables.sweeps.add(
        project["id"], "bench", text, method=method, size=length, metric="loss", goal="minimize"
    )
    if method == "grid":
        tables.points.add(sweep, (f'{{"x": {index}}}' for index in range(size)))
    for index in range(done):
        if method != "grid":
            share = (index * 0.618) % 1
            coordinates = [int(8 * share + 0.5) or 1, share / 2, index % 4, -11 + 8 * share, 8 + int(500 * share)]
            tables.points.append(sweep, index, "{}", json.dumps(coordinates))
        summary = json.dumps({"loss": index % 17, "accuracy": 0.5, "_step": 100, "_runtime": 3.2})
        run = tables.runs.add(
            project["id"], f"r{index}", display_name="r", state="finished", sweep_id=sweep, summary=summary
        )
        tables.points.claim(sweep, index, run, None, 1e12)
        tables.points.end(run)
    return [tables.agents.add(sweep, "bench") for _ in range(agents)]
