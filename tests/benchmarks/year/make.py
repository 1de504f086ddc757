"""Fill a server's folder with a made year: through its storage classes, old rows as the files that they become.

The files are written by two processes; the database by this one, some hundred runs a transaction. The same seed
makes the same year, and a project the same runs in each folder that has it.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from launch.server.storage import Tables, open_store
from launch.server.storage.lines import HISTORY
from launch.server.storage.store import Store
from launch.server.storage.users import OWNER
from tests.benchmarks.year import rows, shown
from tests.benchmarks.year.shape import ASKED, DAY, LARGE, OPEN, Shape

BATCH, PROCESSES = 500, 2
OWN, COMMON = 300, 65_536
"""Bytes of the file that a version has of its own, and of one that it shares."""
GRID = """method: grid
program: train.py
metric: {name: val/loss, goal: minimize}
parameters:
  seed: {values: [0]}
"""


@dataclass(frozen=True)
class Place:
    """Where a run is: its project and sweep (their keys), and the number by which it is made."""

    project: int
    sweep: int | None
    number: int


def make(folder: Path, shape: Shape) -> float:
    """Make a year; the seconds that it took."""
    start = time.perf_counter()
    blobs = folder / "blobs"
    for index in range(256):
        (blobs / f"{index:02x}").mkdir(parents=True, exist_ok=True)
    store = open_store(folder / "server.db")
    now = time.time()
    with store.write() as tables:
        users = [OWNER, *(tables.users.add(f"user{index:02}") for index in range(shape.users))]
        places = list(_places(tables, shape, users))
    with ProcessPoolExecutor(PROCESSES) as workers:

        def begun(batch: list[Place]) -> list[tuple[Place, float, Future[rows.Rows]]]:
            work = []
            for place in batch:
                silent = _silent(place, shape)
                target = None if silent < 7 * DAY else blobs
                made = workers.submit(rows.made, place.number, shape.seed, shape.rows, now - silent, target)
                work.append((place, now - silent, made))
            return work

        batches = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
        work = begun(batches[0])
        for following in [*batches[1:], []]:
            ahead = begun(following)
            with store.write() as tables:
                for place, ended, made in work:
                    _add_run(tables, place, made.result(), ended)
            work = ahead
    _add_versions(store, shape, blobs)
    if shape.asked:
        with store.write() as tables:
            project = tables.projects.make(OPEN)[0]["id"]
            shown.add(
                tables,
                lambda body: _stored(blobs, body),
                lambda run, name, files: _add_version(tables, run, project, name, files),
            )
    store.close()
    return time.perf_counter() - start


def _places(tables: Tables, shape: Shape, users: list[int]) -> Iterator[Place]:
    """Where each run is. Numbers of the projects that every folder has are their own."""
    if shape.asked:
        project = tables.projects.make(ASKED)[0]["id"]
        sweep = _sweep(tables, project, "asked", shape.asked)
        yield from (Place(project, sweep, number) for number in range(shape.asked))
        _sweep(tables, tables.projects.make(OPEN)[0]["id"], "open", shape.points, ended=False)
    if shape.large:
        project = tables.projects.make(LARGE)[0]["id"]
        yield from (Place(project, None, 1_000_000 + number) for number in range(shape.large))
    left = shape.runs - shape.asked - shape.large
    others = [
        tables.projects.make(f"project{index:03}", users[index % len(users)])[0]["id"]
        for index in range(shape.projects - 3)
    ]
    if not others:
        return
    each = -(-left // len(others))
    swept = [_sweep(tables, others[index % len(others)], f"sweep{index:03}", 0) for index in range(shape.sweeps)]
    for number in range(left):
        place = number // each
        sweeps = swept[place :: len(others)]
        sweep_id = sweeps[number % len(sweeps)] if sweeps and number % 3 else None
        yield Place(others[place], sweep_id, 2_000_000 + number)


def _sweep(tables: Tables, project: int, name: str, size: int, *, ended: bool = True) -> int:
    key = tables.sweeps.add(
        project, name, GRID, method="grid", size=size, metric="val/loss", goal="minimize", program="train.py",
        state="FINISHED" if ended else "RUNNING",
    )  # fmt: skip
    tables.points.add(key, (json.dumps({"seed": number}) for number in range(size)))
    return key


def _silent(place: Place, shape: Shape) -> float:
    """For how long a run has been silent: a few of the others since yesterday, all else for up to a year."""
    chance = random.Random(place.number)
    if place.number >= 2_000_000 and chance.random() < shape.recent:
        return DAY
    return DAY * (8 + 357 * chance.random())


def _add_run(tables: Tables, place: Place, found: rows.Rows, ended: float) -> None:
    chance = random.Random(place.number)
    config = {
        "model": {"kind": chance.choice(["vit", "vgg", "resnet"]), "width": chance.choice([64, 128, 256])},
        "learning_rate": chance.choice([0.1, 0.03, 0.01]), "seed": place.number % 1000,
        **{f"setting_{index}": chance.random() for index in range(20)},
    }  # fmt: skip
    summary = found.summary | {f"test/score_{index}": chance.random() for index in range(10)}
    run = tables.runs.add(
        place.project, f"r{place.number:07}", display_name=f"run {place.number}", started=1, sweep_id=place.sweep,
        state="failed" if chance.random() < 0.05 else "finished", heartbeat_at=ended,
        config=json.dumps({key: {"value": value} for key, value in config.items()}), summary=json.dumps(summary),
    )  # fmt: skip
    if place.sweep is not None and place.number < 1_000_000:
        tables.points.claim(place.sweep, place.number, run, None, ended)
        tables.points.end(run)
    if found.part is None:
        tables.usage.add_rows(run, tables.lines.put(run, HISTORY, 0, found.texts))
        return
    tables.aged.add(run, HISTORY, found.part)
    tables.aged.is_swept(run, HISTORY)
    tables.usage.add_rows(run, 190 * found.part.rows)
    tables.runs._db.executemany(
        "INSERT INTO history_keys (run_id, key, kind, count, last, low, high) VALUES (?, ?, 'number', ?, ?, ?, ?)",
        [(run, *key) for key in found.keys],
    )


def _add_versions(store: Store[Tables], shape: Shape, blobs: Path) -> None:
    """Versions of models of the other runs: two files that many share, and a small one of its own."""
    if not shape.versions:
        return
    chance = random.Random(shape.seed)
    common = [_stored(blobs, random.Random(index).randbytes(COMMON)) for index in range(shape.shared)]
    with store.read() as tables:
        found = tables.runs._db.execute(
            "SELECT runs.id, project_id FROM runs JOIN projects ON projects.id = project_id"
            " WHERE projects.name NOT IN (?, ?, ?) ORDER BY runs.id",
            (ASKED, LARGE, OPEN),
        )
        runs = [tuple(row) for row in found]
    for start in range(0, shape.versions, BATCH):
        with store.write() as tables:
            for number in range(start, min(start + BATCH, shape.versions)):
                run, project = runs[number * len(runs) // shape.versions]
                own = _stored(blobs, b"%08d" % number * (OWN // 8))
                entries = [("own.json", own), *((f"part{k}", chance.choice(common)) for k in range(2))]
                _add_version(tables, run, project, f"model-{number // 10}", entries)


def _add_version(
    tables: Tables, run: int, project: int, name: str, entries: list[tuple[str, tuple[str, int]]]
) -> None:
    collection = tables.collections.make(project, "model", name)
    if collection is None:
        return
    db, index = tables.runs._db, collection["versions_made"]
    size = sum(size for _, (_, size) in entries)
    key = db.execute(
        "INSERT INTO artifacts (collection_id, state, version_index, digest, run_id, size, kept, file_count,"
        " created_at, updated_at) VALUES (?, 'COMMITTED', ?, ?, ?, ?, ?, ?, 0, 0)",
        (collection["id"], index, f"{run:032x}", run, size, size, len(entries)),
    ).lastrowid
    tables.memberships.add(collection["id"], int(key or 0))
    tables.artifacts.link(run, int(key or 0), "made")
    db.executemany(
        "INSERT INTO entries (artifact_id, path, md5, size, blob) VALUES (?, ?, ?, ?, ?)",
        [(key, path, blob[:32], size, blob) for path, (blob, size) in entries],
    )


def _stored(blobs: Path, body: bytes) -> tuple[str, int]:
    name = hashlib.sha256(body).hexdigest()
    path = blobs / name[:2] / name
    if not path.exists():
        path.write_bytes(body)
    return name, len(body)
