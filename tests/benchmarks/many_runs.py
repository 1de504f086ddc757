"""Runs by the thousand, stored as the server would have stored them: plain ones, and copies of a real one."""

import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from launch.server.storage import open_store
from launch.server.storage.lines import HISTORY

PROJECT = "bench"
CONFIG_KEYS, SUMMARY_KEYS = 30, 20


def add_plain(state: Path, first: int, count: int, rows: int) -> None:
    """Runs of a plain script: 30 config values, 20 of the summary, and `rows` rows of five values."""
    chance = random.Random(first)
    store = open_store(state / "server.db")
    with store.write() as tables:
        project = tables.projects.make(PROJECT)[0]["id"]
    for index in range(first, first + count):
        config = {f"c{key}": {"value": chance.random()} for key in range(CONFIG_KEYS)}
        summary = {f"s{key}": chance.random() for key in range(SUMMARY_KEYS)}
        lines = [
            f'{{"_step":{step},"_runtime":{step / 2},"_timestamp":{1.7e9 + step / 2},"loss":{chance.random()},'
            f'"acc":{chance.random()}}}'
            for step in range(rows)
        ]
        with store.write() as tables:
            columns = {"config": json.dumps(config), "summary": json.dumps(summary), "state": "finished"}
            run = tables.runs.add(project, f"r{index}", display_name=f"run {index}", started=1, **columns)
            tables.lines.put(run, HISTORY, 0, lines)
    store.close()


def copies(source: Path, target: Path, count: int, sweep: str, definition: str) -> None:
    """A server folder with `count` copies of the stitching run in `source`, of one sweep, each with other seeds.

    Its tables are copied as they are, so that their bytes are those of a real run.
    """
    with sqlite3.connect(source / "server.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("client", "logs", "lock", "server.json", "port"))
    db = sqlite3.connect(target / "server.db")
    db.row_factory = sqlite3.Row
    run = db.execute("SELECT * FROM runs WHERE config LIKE '%sampling_seed%'").fetchone()
    made = db.execute(
        "SELECT artifacts.* FROM artifacts JOIN lineage ON artifact_id = artifacts.id JOIN collections ON"
        " collections.id = collection_id WHERE lineage.run_id = ? AND type = 'results'", (run["id"],),
    ).fetchone()  # fmt: skip
    entries = db.execute("SELECT * FROM entries WHERE artifact_id = ?", (made["id"],)).fetchall()
    project = run["project_id"]
    _insert(db, "sweeps", {"id": 1, "project_id": project, "name": sweep, "config": definition, "method": "grid",
                           "state": "FINISHED", "size": count, "created_at": 0, "updated_at": 0})  # fmt: skip
    for index in range(count):
        config = json.loads(run["config"])
        truth = config["sashiko"]["value"]
        truth["config"] |= {"sampling_seed": index % 40}
        truth["config"]["source"] |= {"seed": index // 40}
        truth["config_id"] = f"{index:012x}"
        of_run = {"id": None, "name": f"m{index:06}", "sweep_id": 1, "config": json.dumps(config)}
        run_id = _insert(db, "runs", dict(run) | of_run)
        place = {"project_id": project, "type": "results", "name": f"results-{index:012x}", "created_at": 0,
                 "updated_at": 0}  # fmt: skip
        collection = _insert(db, "collections", place)
        version = {"id": None, "collection_id": collection, "run_id": run_id, "digest": f"{index:032x}",
                   "client_id": None, "sequence_client_id": None, "version_index": 0}  # fmt: skip
        artifact = _insert(db, "artifacts", dict(made) | version)
        there = {"collection_id": collection, "artifact_id": artifact, "version_index": 0, "created_at": 0}
        _insert(db, "memberships", there)
        _insert(db, "lineage", {"run_id": run_id, "artifact_id": artifact, "role": "made"})
        for entry in entries:
            _insert(db, "entries", dict(entry) | {"artifact_id": artifact})
    db.commit()
    db.close()


def _insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> int:
    """Insert a row, without what the table works out itself; its id."""
    known = [line["name"] for line in db.execute(f"PRAGMA table_info({table})")]
    names = [name for name in known if name in row]
    columns = '", "'.join(names)
    sql = f'INSERT INTO {table} ("{columns}") VALUES ({", ".join("?" * len(names))})'
    return int(db.execute(sql, [row[name] for name in names]).lastrowid or 0)
