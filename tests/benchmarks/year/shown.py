"""A run that has something on every page: rows, a picture, a table, system metrics, a console, versions."""

import json
import math
from collections.abc import Callable

from launch.server.storage import Tables
from launch.server.storage.lines import CONSOLE, EVENTS, HISTORY
from tests.benchmarks.year.shape import ASKED, OPEN

SHOWN, MODEL = "shown", "shown-model"
ROWS, VERSIONS, CELLS = 300, 20, 1_000
PICTURE, TABLE = "media/images/digit.png", "media/table/best.table.json"
Stored = Callable[[bytes], tuple[str, int]]
"""Store bytes as a blob; its name and size."""
AddVersion = Callable[[int, str, list[tuple[str, tuple[str, int]]]], None]
"""Add a version that a run made, in a collection of this name, of these files."""

_RUN, _SWEEP = f"/local/{ASKED}/runs/r0000007", f"/local/{ASKED}/sweeps/asked"
_OPEN, _VERSION = f"/local/{OPEN}/runs/{SHOWN}", f"/local/{OPEN}/artifacts/model/{MODEL}"
_SEVERAL = "&".join(f"run=r{number:07}" for number in range(10))
PAGES = {
    "a project": f"/local/{ASKED}",
    "its runs": f"/local/{ASKED}/runs",
    "a sweep": _SWEEP,
    "a run": _RUN,
    "a run with pictures and tables": _OPEN,
    "ten runs compared": f"/local/{ASKED}/compare?{_SEVERAL}",
    "an artifact": _VERSION,
    "a version of it": f"{_VERSION}/v7",
    "its files": f"{_VERSION}/v7/files",
    "a tab of a run": f"{_RUN}/logs",
}
"""Every page of one thing, by what it shows. The list of all projects is told with the year: it shows them all."""
DATA = {
    "the table of a sweep of 1,000 runs": f"/view{_SWEEP}/runs",
    "the table of its project": f"/view/local/{ASKED}/runs",
    "what matters in it": f"/view{_SWEEP}/importance?metric=val/loss",
    "its best": f"/view{_SWEEP}/best",
    "its curves": f"/view{_SWEEP}/curves?key=val/loss",
    "the curves of a run": f"/view{_RUN}/curves?key=train/loss&key=val/loss",
    "its system metrics": f"/view{_OPEN}/system",
    "its pictures": f"/view{_OPEN}/media?key=digit",
    "its table": f"/view{_OPEN}/table?path={TABLE}&sort=1",
    "its console": f"/view{_OPEN}/console",
    "its lineage": f"/view{_OPEN}/lineage",
    "the lineage of a version": f"/view{_VERSION}/v7/lineage",
    "the curves of ten runs": f"/view/local/{ASKED}/compare/curves?key=val/loss&{_SEVERAL}",
}
"""What stands behind the pages."""


def add(tables: Tables, stored: Stored, add_version: AddVersion) -> None:
    """Add the run and its versions to the project whose sweep is open."""
    project = tables.projects.make(OPEN)[0]["id"]
    table = {"columns": ["point", "loss"], "data": [[index, math.sin(index)] for index in range(CELLS)]}
    files = {PICTURE: b"\x89PNG" * 500, TABLE: json.dumps(table).encode()}
    picture = {"_type": "image-file", "path": PICTURE, "format": "png", "width": 8, "height": 8}
    summary = {"best": {"_type": "table-file", "path": TABLE, "nrows": CELLS, "ncols": 2}, "digit": picture}
    run = tables.runs.add(
        project, SHOWN, display_name=SHOWN, started=1, state="finished", config="{}", summary=json.dumps(summary)
    )
    rows = [
        {"_step": step, "loss": 1 / (step + 1), **({} if step % 30 else {"digit": picture})}
        for step in range(ROWS)
    ]
    tables.lines.put(run, HISTORY, 0, list(map(json.dumps, rows)))
    usage = [json.dumps({"_runtime": 15 * index, "system.cpu": 50 + index % 9}) for index in range(ROWS)]
    tables.lines.put(run, EVENTS, 0, usage)
    tables.lines.put(run, CONSOLE, 0, [f"epoch {index}" for index in range(ROWS)])
    for name, body in files.items():
        blob, size = stored(body)
        tables.files.put(run, name, blob=blob, md5=blob[:32], size=size)
    for number in range(VERSIONS):
        add_version(run, MODEL, [("weights", stored(b"%08d" % number * 100)), ("table", stored(files[TABLE]))])
    collection = tables.collections.make(project, "model", MODEL)
    newest = tables.memberships.latest(collection["id"]) if collection is not None else None
    if collection is not None and newest is not None:
        tables.collections.set_alias(collection["id"], "latest", newest["id"])
