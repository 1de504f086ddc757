"""Lines in column files and lines in the table: nobody who asks can tell them apart, whatever happens."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.server import ageing, upkeep
from launch.server.ageing import Ageing
from launch.server.columnar import files
from launch.server.errors import RowsLost
from launch.server.request import Services
from launch.server.storage import Tables, lines
from launch.server.storage.aged import NONE
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY
from tests.launch.server.test_curves import APPEND, CLEAR, CUT, PUT, _change

AGE = st.tuples(st.just("age"), st.integers(1, 9), st.none())
BACK = st.tuples(st.just("back"), st.integers(1, 9), st.none())
FORK = st.tuples(st.just("fork"), st.integers(0, 40), st.none())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of eight lines in groups of three, swept by twos, so that few rows make many of each."""
    monkeypatch.setattr(ageing, "FEWEST", 2)
    monkeypatch.setattr(ageing, "MOST", 8)
    monkeypatch.setattr(ageing, "SLICE", 2)
    monkeypatch.setattr(files, "GROUP", 3)


@pytest.fixture
def work(services: Services) -> Ageing:
    return Ageing(services.store, services.blobs, services.clock.now, 0.0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.one_of(PUT, APPEND, CUT, FORK, CLEAR, AGE, BACK), max_size=10))
def test_nobody_can_tell_where_lines_are(services: Services, work: Ageing, small: None, changes: Any) -> None:
    with services.store.write() as tables:
        run, twin = _runs(tables)
    for kind, first, second in [*changes, ("age", 3, None)]:
        if kind == "age":
            _steps(work, services, first)
        elif kind == "back":
            for _, _ in zip(range(first), work.bring_back(run), strict=False):
                pass
        else:
            with services.store.write() as tables:
                run, twin = _change(tables, run, kind, first, second), _change(tables, twin, kind, first, second)
        with services.store.read() as tables:
            _check(tables, run, twin)


def test_ageing_takes_the_lines_out_of_the_table_and_keeps_the_bytes(services: Services, work: Ageing) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        rows = [
            {"_step": n, "loss": n / 7, "picture": {"_type": "image-file", "path": f"{n}"}} for n in range(300)
        ]
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps(row) for row in rows])
        tables.lines.put(run, lines.CONSOLE, 0, [f"line {n}\n" for n in range(200)])
        tables.lines.put(run, lines.EVENTS, 0, ['{"system.cpu": 1}'] * 20)
    while work.step():
        pass
    with services.store.read() as tables:
        left = tables.lines._db.execute("SELECT stream, COUNT(*) FROM lines GROUP BY stream").fetchall()
        assert [tuple(row) for row in left] == [(lines.EVENTS, 20)]  # too few to gain anything
        assert tables.lines._db.execute("SELECT COUNT(*) FROM curves").fetchone()[0] == 0
        assert [json.loads(text) for text in tables.lines.texts(run, lines.HISTORY)] == rows
        assert tables.lines.tail(run, lines.CONSOLE, 1)[0].text == "line 199\n"
        assert [medium.step for medium in tables.curves.media(run, "picture")] == [*range(300)]
        assert tables.curves.behind(run) == 1.0
    report = upkeep.verify(services.store.path.parent)
    assert (report.files, report.unused, report.problems) == (2, 0, [])


def test_a_run_that_goes_on_gets_its_lines_back(services: Services, work: Ageing) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": n}) for n in range(5_000)])
    while work.step():
        pass
    with services.store.write() as tables:
        tables.lines.put(run, lines.HISTORY, 5_000, ['{"_step": 5000, "loss": 5000}'])
        tables.runs.set(run, state="running")
        assert tables.aged.last(run, lines.HISTORY) == 4_999
        assert tables.curves.read(run, ["loss"], points=2)["loss"][-1].last == 5_000
    while work.step():
        pass
    with services.store.read() as tables:
        assert tables.aged.parts(run, lines.HISTORY) == []
        count = tables.lines._db.execute("SELECT COUNT(*) FROM lines WHERE run_id = ?", (run,)).fetchone()[0]
        assert count == tables.lines.count(run, lines.HISTORY) == 5_001
        assert tables.curves.read(run, ["loss"], points=2)["loss"][-1].last == 5_000


def test_whoever_sweeps_meanwhile_takes_nothing_from_lines_that_come_back(
    services: Services, work: Ageing, small: None
) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n}) for n in range(20)])
    other = Ageing(services.store, services.blobs, services.clock.now, None)
    while work.age_next(0.0):
        pass
    back = other.bring_back(run)  # nothing has been swept yet
    next(back)
    for _ in back:
        assert not work.sweep()
    with services.store.read() as tables:
        assert [json.loads(text)["_step"] for text in tables.lines.texts(run, lines.HISTORY)] == [*range(20)]
        assert tables.aged.parts(run, lines.HISTORY) == []


def test_lines_that_a_dead_process_laid_out_are_swept_and_the_next_one_begins_anew(
    services: Services, small: None
) -> None:
    clock = [1e9]
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n}) for n in range(20)])
    work = Ageing(services.store, services.blobs, lambda: clock[0], 0.0)
    while work.step():
        pass
    dead, again = work.bring_back(run), work.bring_back(run)
    next(dead)
    clock[0] += 30
    assert not work.sweep()
    assert _stored(services, run) == 2
    clock[0] += 31
    assert not work.sweep()  # takes it for dead
    assert work.sweep()
    while work.sweep():
        pass
    assert _stored(services, run) == 0
    next(dead, None)  # it was only slow: it gives up
    assert _stored(services, run) == 0
    for _ in again:
        pass
    assert _stored(services, run) == 20
    with services.store.read() as tables:
        assert [json.loads(text)["_step"] for text in tables.lines.texts(run, lines.HISTORY)] == [*range(20)]


def test_a_console_that_ages_leaves_the_curves_of_a_history_that_does_not(
    services: Services, work: Ageing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history of few rows stays in the table, and its pyramid with it; forked ones have blocks of few rows."""
    monkeypatch.setattr(ageing, "FEWEST", 150)
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": n}) for n in range(140)])
        tables.lines.put(run, lines.CONSOLE, 0, ["a line"] * 200)
    while work.step():
        pass
    with services.store.read() as tables:
        assert tables.aged.parts(run, lines.CONSOLE)
        assert tables.aged.parts(run, lines.HISTORY) == []
        assert tables.lines._db.execute("SELECT COUNT(*) FROM curves WHERE run_id = ?", (run,)).fetchone()[0] > 0


def test_a_file_that_cannot_be_read_keeps_no_other_run_from_coming_back(services: Services, work: Ageing) -> None:
    with services.store.write() as tables:
        _runs(tables)
        runs = _ids(tables)[:2]
        for run in runs:
            tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": run}) for n in range(200)])
    while work.step():
        pass
    with services.store.write() as tables:
        [part] = tables.aged.parts(runs[0], lines.HISTORY)
        for run in runs:
            tables.runs.set(run, state="running")
    services.blobs.path(part.blob).write_bytes(b"damaged")
    with pytest.raises(RowsLost, match=r"lines 0 to 199 are in the file blobs/.*put it there from a backup"):
        work.step()
    while work.step():
        pass
    with services.store.read() as tables:
        assert [len(tables.aged.parts(run, lines.HISTORY)) for run in runs] == [1, 0]


@pytest.mark.parametrize("how", ["gone", "text", "cut", "other bytes"])
def test_rows_of_a_file_that_is_lost_are_refused_in_words(
    services: Services, work: Ageing, client: Client, headers: dict[str, str], how: str
) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": n / 3}) for n in range(300)])
    while work.step():
        pass
    with services.store.read() as tables:
        [part] = tables.aged.parts(run, lines.HISTORY)
    path = services.blobs.path(part.blob)
    body = path.read_bytes()
    path.unlink()
    if how != "gone":
        middle = body[: len(body) // 2] + bytes(9) + body[len(body) // 2 + 9 :]
        path.write_bytes({"text": b"text", "cut": body[:-20], "other bytes": middle}[how])
    query = 'query { project(name: "p") { run(name: "r") { state history(minStep: 0, maxStep: 9) } } }'
    reply = client.post("/graphql", json={"query": query}, headers=headers)
    page = client.get("/view/local/p/runs/r/curves?key=loss", headers=headers)
    for told in (reply, page):
        assert told.status_code == 410
        assert f"lines 0 to 299 are in the file blobs/{part.blob[:2]}/{part.blob}" in told.text
    with pytest.raises(RowsLost):
        next(work.bring_back(run))
    *problems, last = upkeep.verify(services.store.path.parent).problems
    assert problems
    assert last.startswith("to go on: copy these files from a backup")
    assert all(part.blob in problem or "history lines 0 to 299 of run r" in problem for problem in problems)
    path.write_bytes(body)
    assert client.get("/view/local/p/runs/r/curves?key=loss", headers=headers).status_code == 200


def test_lines_that_change_while_they_are_encoded_do_not_age(
    services: Services, work: Ageing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, ['{"_step": 0}'] * 200)
    made = ageing.made

    def meanwhile(*given: Any) -> Any:
        found = made(*given)
        with services.store.write() as tables:
            tables.usage.add_rows(run, tables.lines.put(run, lines.HISTORY, 0, ['{"_step": 1}']))
        return found

    monkeypatch.setattr(ageing, "made", meanwhile)
    assert work.age_next(0.0)
    with services.store.read() as tables:
        assert tables.aged.parts(run, lines.HISTORY) == []
        assert tables.lines.at(run, lines.HISTORY, 0) == '{"_step": 1}'


def test_a_file_that_cannot_be_checked_leaves_the_lines_and_the_next_run_ages(
    services: Services, work: Ageing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.store.write() as tables:
        _runs(tables)
        for run in _ids(tables)[:2]:
            tables.lines.put(run, lines.HISTORY, 0, ['{"_step": 0, "x": 1}'] * 200)
    written = files.written
    calls: list[None] = []

    def broken(columns: Any) -> bytes:
        calls.append(None)
        return written(columns) if len(calls) > 1 else written(ageing_rows())

    def ageing_rows() -> Any:
        from launch.server.columnar.columns import of_lines
        from launch.server.columnar.line import Line

        return of_lines([Line(0, 0, '{"_step": 0, "x": 2}')] * 200, json_rows=True)

    monkeypatch.setattr(files, "written", broken)
    with pytest.raises(ValueError, match="do not come out of a column file"):
        work.age_next(0.0)
    assert work.age_next(0.0)
    with services.store.read() as tables:
        assert [tables.aged.last(run, lines.HISTORY) for run in _ids(tables)[:2]] == [NONE, 199]


def test_prune_and_backup_know_the_files(services: Services, work: Ageing, tmp_path: Path) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": n / 3}) for n in range(300)])
    while work.step():
        pass
    folder = services.store.path.parent
    assert upkeep.prune(folder, older_than=-1.0) == (0, 0)
    assert upkeep.backup(folder, tmp_path / "copy")[0] == 1
    assert upkeep.backup(folder, tmp_path / "copy")[0] == 0
    restored = Services.open(tmp_path / "copy", KEY, b"secret", services.options)
    with services.store.read() as tables, restored.store.read() as others:
        assert tables.lines.texts(run, lines.HISTORY) == others.lines.texts(run, lines.HISTORY)
    restored.close()
    with services.store.write() as tables:
        tables.runs.delete(run)
    assert upkeep.prune(folder, older_than=-1.0)[0] == 1


def test_free_pages_are_given_back_a_few_at_a_time(services: Services, work: Ageing) -> None:
    with services.store.write() as tables:
        run, _ = _runs(tables)
        tables.lines.put(run, lines.HISTORY, 0, [json.dumps({"_step": n, "x": "y" * 900}) for n in range(3_000)])
    while work.step():
        pass
    pages = [services.store.shrink(100, 50)]
    while pages[-1]:
        pages.append(services.store.shrink(100, 50))
    assert len(pages) > 3
    with services.store.read() as tables:
        assert tables.lines._db.execute("PRAGMA freelist_count").fetchone()[0] <= 50


def _runs(tables: Tables) -> tuple[int, int]:
    """A run and its twin, whose lines stay where they are; each has another run beside it, to be forked into."""
    for project in ("p", "q"):
        row, _ = tables.projects.make(project, 1)
        for name in ("r", "parent"):
            if (old := tables.runs.by_name(row["id"], name)) is None:
                tables.runs.add(row["id"], name, display_name=name, state="finished", heartbeat_at=0.0)
            else:
                tables.lines.clear(old["id"])
    first, _, twin, _ = _ids(tables)
    tables.runs.set(twin, heartbeat_at=math.inf)
    tables.runs.set(twin + 1, heartbeat_at=math.inf)
    return first, twin


def _stored(services: Services, run: int) -> int:
    """How many lines of a run the table holds, whether they count or not."""
    with services.store.read() as tables:
        sql = "SELECT COUNT(*) FROM lines WHERE run_id = ?"
        return int(tables.lines._db.execute(sql, (run,)).fetchone()[0])


def _ids(tables: Tables) -> list[int]:
    return [row["id"] for row in tables.runs._db.execute("SELECT id FROM runs ORDER BY id")]


def _steps(work: Ageing, services: Services, count: int) -> None:
    for _ in range(count):
        if not work.step():
            return


def _check(tables: Tables, run: int, twin: int) -> None:
    one, two = (list(_told(tables, key)) for key in (run, twin))
    for (what, told), (_, expected) in zip(one, two, strict=True):
        assert told == expected, what


def _told(tables: Tables, key: int) -> Iterator[tuple[str, object]]:
    """Whatever can be asked of a history."""
    told = tables.lines
    count = told.count(key, lines.HISTORY)
    yield "count", count
    yield "ends", told.ends([key])[key]
    yield "last step", told.last_step(key)
    yield "keys", [tuple(row) for row in told.keys(key)]
    yield "all", _values(told.texts(key, lines.HISTORY))
    for start in (-5, 0, 3, 11):
        page = told.page(key, lines.HISTORY, start, 4)
        yield f"page from {start}", [(row.line, row.step, *_values([row.text])) for row in page]
        yield f"line {start}", _values([told.at(key, lines.HISTORY, start) or ""])
    yield "tail", [row.line for row in told.tail(key, lines.HISTORY, 7)]
    yield "steps", _values(told.steps(key, 2, 20))
    yield "all steps", _values(told.steps(key, -9, None))
    spread = _values(told.spread(key, lines.HISTORY, 5))
    yield "spread", (spread[:1], spread[-1:])
    yield "in bulk", _values(text.decode() for text in tables.bulk.lines(key, lines.HISTORY, -100, 10**9)[1])
    yield "numbers", tables.bulk.lines(key, lines.HISTORY, 2, 10**9)[0]
    yield "extremes", told.extremes("loss", "id", key).get(key)
    for first, last in ((-(2**62), 2**62), (3, 12)):
        blocks = tables.curves.read(key, ["loss", "acc", "nest.a", "gone"], first, last, 10_000)
        yield f"curves {first}", repr(blocks)


def _values(texts: Any) -> list[str]:
    return [json.dumps(json.loads(text or "{}"), sort_keys=True) for text in texts]
