"""The database: transactions, migrations, and files of other versions."""

import sqlite3
from pathlib import Path

import pytest

from launch.server.errors import Busy
from launch.server.storage import SCHEMA, SchemaError, Tables, open_store
from launch.server.storage.store import Store, migrate

FIRST = [{1: "CREATE TABLE t (a INTEGER);"}]
SECOND = [{1: "CREATE TABLE t (a INTEGER);", 2: "ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'old';"}]


def opened(path: Path, schema: list[dict[int, str]]) -> Store[sqlite3.Connection]:
    return Store(path, schema, lambda db: db)


def test_an_old_file_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    store = opened(tmp_path / "x.db", FIRST)
    with store.write() as db:
        db.execute("INSERT INTO t VALUES (7)")
    store.close()
    store = opened(tmp_path / "x.db", SECOND)
    with store.read() as db:
        assert [tuple(row) for row in db.execute("SELECT * FROM t")] == [(7, "old")]
        assert db.execute("PRAGMA user_version").fetchone()[0] == 2
    store.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "x.db", SECOND).close()
    with pytest.raises(SchemaError, match="update Sashiko"):
        opened(tmp_path / "x.db", FIRST)


def test_a_broken_migration_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path / "x.db", FIRST).close()
    broken = [*FIRST, {2: "CREATE TABLE u (a INTEGER); CREATE TABLE t (a INTEGER);"}]
    with pytest.raises(sqlite3.OperationalError):
        opened(tmp_path / "x.db", broken)
    connection = sqlite3.connect(tmp_path / "x.db")
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert (names, connection.execute("PRAGMA user_version").fetchone()[0]) == (["t"], 1)
    connection.close()


def test_the_schema_is_whole_and_numbered() -> None:
    connection = sqlite3.connect(":memory:")
    migrate(connection, SCHEMA)
    migrate(connection, SCHEMA)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_settings_of_a_connection(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")
    with store.write() as tables:
        db = tables.runs._db
        values = [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert values == ["wal", 1, 1]
    store.close()


def test_of_many_changes_each_is_whole_or_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")

    def fail(tables: Tables) -> None:
        tables.projects.make("b")
        raise KeyError("broken")

    errors = store.write_each(
        [lambda tables: tables.projects.make("a"), fail, lambda tables: tables.projects.make("c")]
    )
    assert [type(error) for error in errors] == [type(None), KeyError, type(None)]
    with store.read() as tables:
        assert [tables.projects.by_name(name) is not None for name in "abc"] == [True, False, True]

    def broken(tables: Tables) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        store.write_each([lambda tables: tables.projects.make("d"), broken])
    with store.read() as tables:
        assert tables.projects.by_name("d") is None
    store.close()


def test_a_database_that_another_process_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.server.storage.store.BUSY_SECONDS", 0.1)
    store = open_store(tmp_path / "x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="try again"), store.write():
        pass
    other.execute("ROLLBACK")
    other.close()
    with store.write() as tables:
        tables.projects.make("a")
    store.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")

    def fail(tables: Tables) -> None:
        tables.projects.make("a")
        raise KeyError("broken")

    with pytest.raises(KeyError), store.write() as tables:
        fail(tables)
    with store.read() as tables:
        assert tables.projects.by_name("a") is None
    store.close()


def test_a_reader_sees_one_state_and_cannot_write(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")
    with store.read() as reader:
        assert reader.projects.by_name("a") is None
        with store.write() as writer:
            writer.projects.make("a")
        assert reader.projects.by_name("a") is None
        with pytest.raises(sqlite3.OperationalError):
            reader.projects.make("b")
    with store.read() as reader:
        assert reader.projects.by_name("a") is not None
    store.close()


def test_columns_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")
    with store.write() as tables:
        project, _ = tables.projects.make("p")
        with pytest.raises(ValueError, match="no column"):
            tables.runs.add(project["id"], "r", **{"name; DROP TABLE runs": 1})
        with pytest.raises(ValueError, match="no column"):
            tables.artifacts.set(1, nonsense=1)
    store.close()


def test_a_file_of_the_first_version_is_opened_and_loses_nothing(tmp_path: Path) -> None:
    """`schema_1.sql` is the dump of a database that the first version wrote: a sweep, a run, rows, an artifact."""
    file = tmp_path / "server.db"
    connection = sqlite3.connect(file)
    connection.executescript((Path(__file__).parent / "schema_1.sql").read_text())
    connection.close()
    store = open_store(file)
    try:
        with store.write() as tables:
            project = tables.projects.by_name("p")
            assert project is not None
            assert (project["entity"], project["runs_made"]) == ("local", 1)
            run = tables.runs.by_id(1)
            assert run is not None
            assert (run["project_name"], run["entity_name"], run["state"]) == ("p", "local", "finished")
            assert tables.lines.texts(1, "history") == ['{"_step":0,"loss":2.0}', '{"_step":1,"loss":1.5}']
            assert tables.points.counts(1) == {"pending": 2, "claimed": 0, "ended": 1}
            version = tables.artifacts.by_id(1)
            assert version is not None
            shown = (version["collection_name"], version["version_index"], version["state"])
            assert shown == ("set", 0, "COMMITTED")
            assert [row["path"] for row in tables.artifacts.entries(1)] == ["x.txt"]
            assert tables.projects.make("p", tables.users.add("north"))[1] is True
    finally:
        store.close()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    fresh = sqlite3.connect(":memory:")
    migrate(fresh, SCHEMA)
    query = "SELECT type, name, replace(replace(sql, '\"', ''), ' ', '') FROM sqlite_master ORDER BY type, name"
    assert connection.execute(query).fetchall() == fresh.execute(query).fetchall()
    connection.close()
    fresh.close()
