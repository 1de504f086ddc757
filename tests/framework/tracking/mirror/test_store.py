"""The mirror's files: what was kept, what changed, what was interrupted, what is damaged."""

import multiprocessing
import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from framework.tracking.mirror.store import MOST_PARTS, Stamp, opened


def rows(*runs: tuple[str, int]) -> pa.Table:
    return pa.table(
        {"run_id": [run for run, count in runs for _ in range(count)],
         "x": [index for _, count in runs for index in range(count)]}
    )  # fmt: skip


def keep(folder: Path, *runs: tuple[str, int], stamp: str = "1") -> None:
    with opened(folder) as store:
        store.put((Stamp(run, place, "s", stamp), b"{}") for place, (run, _) in enumerate(runs))
        store.add("history", rows(*runs), dict(runs))


def of(folder: Path, *names: str) -> list[tuple[str, int]]:
    with opened(folder) as store:
        table = store.table("history", names)
        return [] if table is None else list(zip(*table.to_pydict().values(), strict=True))


def test_rows_come_back_by_run(tmp_path: Path) -> None:
    keep(tmp_path, ("a", 2), ("b", 1))
    assert of(tmp_path, "a", "b") == [("a", 0), ("a", 1), ("b", 0)]
    assert of(tmp_path, "b") == [("b", 0)]
    assert of(tmp_path, "gone") == []


def test_a_run_that_changed_has_no_rows_until_they_are_fetched(tmp_path: Path) -> None:
    keep(tmp_path, ("a", 2), ("b", 1))
    with opened(tmp_path) as store:
        store.put([(Stamp("a", 0, "s", "2"), b"new")])
        assert store.without("history", ["a", "b"]) == ["a"]
        assert store.told(["b", "a"]) == [b"new", b"{}"]
        store.add("history", rows(("a", 3)), {"a": 3})
    assert of(tmp_path, "a", "b") == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]


def interrupted(folder: Path) -> None:
    with opened(folder) as store:
        store.forget(["a"])
        store.add("history", rows(("b", 1)), {"b": 1})
        raise RuntimeError


def test_what_an_error_interrupts_is_forgotten(tmp_path: Path) -> None:
    keep(tmp_path, ("a", 2))
    with pytest.raises(RuntimeError):
        interrupted(tmp_path)
    assert of(tmp_path, "a", "b") == [("a", 0), ("a", 1)]
    keep(tmp_path, ("c", 1))  # takes the number of the file that was left
    assert of(tmp_path, "a", "b", "c") == [("a", 0), ("a", 1), ("c", 0)]
    with opened(tmp_path) as store:
        store.forget(["a", "c"])
        store.tidy("history")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db"] or len(list(tmp_path.iterdir())) == 2


def test_many_parts_become_one(tmp_path: Path) -> None:
    for index in range(MOST_PARTS + 1):
        keep(tmp_path, (f"r{index:02}", 1))
    with opened(tmp_path) as store:
        store.tidy("history")
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    names = [f"r{index:02}" for index in range(MOST_PARTS + 1)]
    assert of(tmp_path, *names) == [(name, 0) for name in names]


@pytest.mark.parametrize("harm", ["index", "part", "form"])
def test_a_damaged_mirror_begins_anew(tmp_path: Path, harm: str) -> None:
    keep(tmp_path, ("a", 2))
    if harm == "index":
        (tmp_path / "index.db").write_bytes(b"no database " * 1000)
    elif harm == "part":
        next(tmp_path.glob("*.parquet")).unlink()
    else:
        with opened(tmp_path) as store:
            store._db.execute("PRAGMA user_version = 99")
    assert of(tmp_path, "a") == []
    keep(tmp_path, ("a", 1))
    assert of(tmp_path, "a") == [("a", 0)]


def _add(folder: Path, run: str) -> None:
    keep(folder, (run, 3))


def test_several_at_once_wait_for_one_another(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    names = [f"r{index}" for index in range(4)]
    children = [context.Process(target=_add, args=(tmp_path, name)) for name in names]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert of(tmp_path, *names) == [(name, index) for name in names for index in range(3)]


def _killed(folder: Path) -> None:
    with opened(folder) as store:
        store.forget(["a"])
        store.add("history", rows(("b", 5)), {"b": 5})
        os.kill(os.getpid(), signal.SIGKILL)


def test_one_that_is_killed_leaves_the_mirror_as_it_was(tmp_path: Path) -> None:
    keep(tmp_path, ("a", 2))
    child = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert of(tmp_path, "a", "b") == [("a", 0), ("a", 1)]
    keep(tmp_path, ("c", 1))
    assert of(tmp_path, "a", "b", "c") == [("a", 0), ("a", 1), ("c", 0)]
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_what_a_key_may_see_is_not_for_everybody(tmp_path: Path) -> None:
    folder = tmp_path / "mirrors" / "reader" / "project"
    keep(folder, ("a", 1))
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "index.db").write_bytes(b"no database " * 1000)
    keep(folder, ("a", 1))
    assert folder.stat().st_mode & 0o077 == 0
