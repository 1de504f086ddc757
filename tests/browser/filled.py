"""A server's folder with sweeps, stored as the server would, before it is started."""

import json
import random
from pathlib import Path
from typing import Any

from launch.server.storage import Tables, open_store
from launch.server.storage.lines import HISTORY

HOSTILE = '<img src=x onerror="document.title=1">\u202e&amp;"\'`${1}'
KINDS, RIDGES, SEEDS = ("linear", "affine", "mlp"), (0.001, 0.01, 0.1, 1.0), (0, 1, 2)
DEFINITION = """method: grid
program: train.py
metric: {name: mse, goal: minimize}
parameters:
  mapping: {values: [{kind: linear}, {kind: affine}, {kind: mlp}]}
  ridge: {values: [0.001, 0.01, 0.1, 1.0]}
  seed: {values: [0, 1, 2]}
"""


def mse(kind: str, ridge: float, seed: int) -> float:
    """What a run of the small sweep comes to: known to the tests."""
    return 0.1 + 0.02 * KINDS.index(kind) + 0.01 * RIDGES.index(ridge) + 0.002 * seed


def wrapped(config: dict[str, Any]) -> str:
    return json.dumps({key: {"value": value} for key, value in config.items()})


def small(tables: Tables, *, name: str = "demo", metric: str | None = "mse") -> None:
    """A grid of 36 points: two failed, two run, the others finished. Its definition may name no metric."""
    project = tables.projects.make(name)[0]["id"]
    key = tables.sweeps.add(
        project,
        "small",
        DEFINITION if metric else DEFINITION.replace("metric: {name: mse, goal: minimize}\n", ""),
        method="grid",
        size=36,
        metric=metric,
        goal="minimize" if metric else None,
        display_name="small one",
    )
    tables.points.add(key, ["{}"] * 36)
    cases = [(kind, ridge, seed) for kind in KINDS for ridge in RIDGES for seed in SEEDS]
    for index, (kind, ridge, seed) in enumerate(cases):
        state = "failed" if index in (4, 5) else "running" if index >= 34 else "finished"
        config = {"mapping": {"kind": kind}, "ridge": ridge, "seed": seed, "epochs": 20}
        summary = (
            {} if state == "failed" else {"mse": mse(kind, ridge, seed), "acc": 0.5, "_step": 3, "_runtime": 61}
        )
        run = tables.runs.add(
            project, f"r{index:02}", display_name=f"stitching-{kind}-ridge={ridge}-seed={seed}-number-{index:02}",
            state=state, started=1, config=wrapped(config), summary=json.dumps(summary), sweep_id=key,
            heartbeat_at=9e9,
        )  # fmt: skip
        rows = [json.dumps({"_step": step, "mse": mse(kind, ridge, seed) * (4 - step)}) for step in range(4)]
        tables.lines.put(run, HISTORY, 0, rows)
        tables.points.claim(key, index, run, None, 9e9)
        if state != "running":
            tables.points.end(run)


def hostile(tables: Tables) -> None:
    """Names, keys and values that nobody should give."""
    project = tables.projects.make("hostile")[0]["id"]
    key = tables.sweeps.add(
        project, "bad", DEFINITION, method="grid", size=2, metric=HOSTILE, goal="maximize", display_name=HOSTILE
    )
    tables.points.add(key, ["{}"] * 2)
    for index in range(2):
        config = {HOSTILE: f"{HOSTILE}{index}", "__proto__": index, "constructor": index, "x" * 300: index}
        summary = {HOSTILE: float(index), "toString": index, "nan": float("nan")}
        tables.runs.add(
            project, f"h{index}", display_name=HOSTILE * 3, state="finished", started=1, sweep_id=key,
            config=wrapped(config), summary=json.dumps(summary), tags=json.dumps([HOSTILE]), group_name=HOSTILE,
        )  # fmt: skip


def many(tables: Tables, count: int = 10_000) -> None:
    """A sweep of very many runs, with 15 parameters and 15 results that vary."""
    chance = random.Random(0)
    project = tables.projects.make("large")[0]["id"]
    key = tables.sweeps.add(project, "big", DEFINITION, method="grid", size=count, metric="mse", goal="minimize")
    for index in range(count):
        config = {"kind": KINDS[index % 3], "ridge": RIDGES[index % 4], "seed": index % 5, "number": index}
        config |= {f"c{number}": chance.randrange(4) for number in range(11)}
        summary = {"mse": chance.random(), **{f"s{number}": chance.random() for number in range(14)}}
        tables.runs.add(
            project, f"r{index:05}", display_name=f"run-{index:05}", state="finished", started=1, sweep_id=key,
            config=wrapped(config), summary=json.dumps(summary),
        )  # fmt: skip


def fill(directory: Path, *, count: int = 10_000) -> None:
    """Store all of it, and a project and a sweep without any runs."""
    directory.mkdir(parents=True)
    store = open_store(directory / "server.db")
    with store.write() as tables:
        small(tables)
        small(tables, name="plain", metric=None)
        hostile(tables)
        many(tables, count)
        empty = tables.projects.make("empty")[0]["id"]
        tables.sweeps.add(empty, "none", DEFINITION, method="grid", size=36, metric="mse", goal="minimize")
        tables.projects.make("nothing")
    store.close()
