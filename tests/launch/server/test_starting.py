"""What a start costs the database does not grow with what is stored in it."""

import sqlite3
from pathlib import Path

import pytest

from launch.server.app import _expire_once
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.storage import Tables, open_store
from launch.server.storage.store import Store

GRAIN = 10
"""Instructions of SQLite's machine between two counts."""


def add(folder: Path, project: str, count: int) -> None:
    """Runs that have ended, each with a point and a row."""
    store = open_store(folder / "server.db")
    with store.write() as tables:
        db, place = tables.runs._db, tables.projects.make(project)[0]["id"]
        sql = (
            "INSERT INTO sweeps (project_id, name, config, method, state, size, created_at, updated_at)"
            " VALUES (?, 's', '', 'grid', 'FINISHED', ?, 0, 0)"
        )
        sweep = db.execute(sql, (place, count)).lastrowid
        for index in range(count):
            run = tables.runs.add(place, f"r{index}", display_name="r", started=1, state="finished", config="{}")
            db.execute(
                "INSERT INTO points (sweep_id, idx, args, state) VALUES (?, ?, '{}', 'ended')", (sweep, index)
            )
            tables.lines.put(run, "history", 0, ['{"_step": 0, "loss": 1}'])
    store.close()


def instructions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """What SQLite does while a folder is opened and looked at for the first time, in instructions."""
    done, connect = 0, Store._connect

    def count() -> int:
        nonlocal done
        done += GRAIN
        return 0

    def counted(store: Store[Tables], *given: int) -> sqlite3.Connection:
        connection = connect(store, *given)
        connection.set_progress_handler(count, GRAIN)
        return connection

    monkeypatch.setattr(Store, "_connect", counted)
    services = Services.open(folder, "k" * 40, b"secret", ServeOptions())
    _expire_once(services)
    services.close()
    monkeypatch.undo()
    return done


def test_a_start_costs_the_same_whatever_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path, "a", 20)
    few = instructions(tmp_path, monkeypatch)
    add(tmp_path, "b", 2000)
    many = instructions(tmp_path, monkeypatch)
    assert few > GRAIN
    assert many <= 1.3 * few
