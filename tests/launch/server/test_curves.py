"""The pyramid of a run's curves: whatever happens to its rows, it says what a slow twin reads from all of them."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.server.request import Services
from launch.server.storage import Tables, curves, lines
from launch.server.storage.blocks import Block, size_of

NUMBER = st.one_of(
    st.integers(-3, 3),
    st.floats(-1e3, 1e3),
    st.sampled_from([math.nan, math.inf, -math.inf, 2**63 + 1, 10**400, 1e308, -1e308, True, "word", None]),
)
STEP = st.one_of(st.integers(0, 40), st.sampled_from([-5, 2**62 - 1, 2**61, None]))
ROW = st.fixed_dictionaries({"loss": NUMBER}, optional={"acc": NUMBER, "_step": STEP, "nest": st.just({"a": 1})})
PUT = st.tuples(st.just("put"), st.integers(0, 40), st.lists(ROW, max_size=12))
JUMP = st.tuples(st.just("put"), st.sampled_from([300, 5_000, 2**52]), st.lists(ROW, max_size=3))
APPEND = st.tuples(st.just("append"), st.integers(1, 12), st.integers(1, 3))
CUT = st.tuples(st.just("cut"), st.integers(0, 40), st.none())
FORK = st.tuples(st.just("fork"), st.integers(0, 40), st.none())
CLEAR = st.tuples(st.just("clear"), st.none(), st.none())


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four rows, so that few rows make several levels."""
    monkeypatch.setattr("launch.server.storage.blocks.BLOCK", 4)
    monkeypatch.setattr("launch.server.storage.blocks.FAN", 2)
    monkeypatch.setattr("launch.server.storage.blocks.LEVELS", 56)
    monkeypatch.setattr(curves, "BLOCK", 4)
    monkeypatch.setattr(curves, "FAN", 2)
    monkeypatch.setattr(curves, "LEVELS", 56)
    monkeypatch.setattr(curves, "MOST", 16)
    monkeypatch.setattr(curves, "RAW", 2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.one_of(PUT, APPEND, JUMP, CUT, FORK, CLEAR), max_size=8), repeats=st.integers(1, 2))
def test_the_pyramid_is_that_of_a_slow_twin(services: Services, changes: Any, repeats: int) -> None:
    with services.store.write() as tables:
        key = _run(tables)
        for kind, first, second in changes:
            for _ in range(repeats):  # a lost reply: the client sends it once more
                key = _change(tables, key, kind, first, second)
        _check(tables, key)


def test_runs_from_before_catch_up_with_what_comes_and_with_views(services: Services) -> None:
    with services.store.write() as tables:
        key = _run(tables)
        tables.lines.put(key, lines.HISTORY, 0, [json.dumps({"_step": n, "loss": n % 7}) for n in range(200)])
        tables.curves.clear(key)  # as it is after the migration
        assert tables.curves.behind(key) == 0.0
        tables.lines.put(key, lines.HISTORY, 200, ['{"_step": 200, "loss": 9}'])
        assert 0.0 < tables.curves.behind(key) < 0.1
        rounds = 0
        while tables.curves.behind(key) < 1.0:
            tables.curves.catch_up(key)
            rounds += 1
        assert rounds > 9
        tables.lines.put(key, lines.HISTORY, 201, ['{"_step": 201, "loss": 9}'])
        _check(tables, key)


@pytest.mark.parametrize("points", [4, 16, 1000])
def test_a_spike_is_seen_however_few_points_are_asked_for(services: Services, points: int) -> None:
    with services.store.write() as tables:
        key = _run(tables)
        rows = [{"_step": n, "loss": 1e6 if n == 777 else math.sin(n)} for n in range(2_000)]
        for start in range(0, 2_000, 37):
            tables.lines.put(key, lines.HISTORY, start, [json.dumps(row) for row in rows[start : start + 37]])
        whole = tables.curves.read(key, ["loss"], points=points)["loss"]
        near = tables.curves.read(key, ["loss"], 770, 780, points)["loss"]
    assert len(whole) <= points
    assert max(block.high for block in whole) == 1e6
    assert sum(block.number for block in whole) == 2_000
    assert max(block.high for block in near) == 1e6
    assert 770 - points <= near[0].first <= 770
    if points > 10:
        assert [(block.first, block.low) for block in near] == [(n, rows[n]["loss"]) for n in range(770, 781)]


def test_what_was_rolled_back_is_in_no_block(services: Services) -> None:
    """The rows that are not folded are kept in memory: those of a transaction that failed must not come back."""

    def put(tables: Tables, start: int, values: list[int]) -> None:
        texts = [json.dumps({"_step": start + n, "loss": value}) for n, value in enumerate(values)]
        tables.lines.put(key, lines.HISTORY, start, texts)

    def fail(tables: Tables) -> None:
        put(tables, 5, [-99] * 2)
        raise ValueError

    with services.store.write() as tables:
        key = _run(tables)
        put(tables, 0, [1] * 5)
    for again in range(2):
        assert [type(error) for error in services.store.write_each([fail])] == [ValueError]
        with services.store.write() as tables:
            put(tables, 5 + 2 * again, [2] * 2)
            _check(tables, key)
    with services.store.write() as tables:
        put(tables, 9, [3] * 9)
        _check(tables, key)
        assert min(block.low for block in tables.curves.read(key, ["loss"])["loss"]) == 1


def test_media_are_found_by_key(services: Services) -> None:
    with services.store.write() as tables:
        key = _run(tables)
        rows: list[Any] = [{"_step": n, "loss": n} for n in range(30)]
        for n in (3, 11, 29):
            rows[n]["picture"] = {"_type": "image-file", "path": f"{n}.png"}
        tables.lines.put(key, lines.HISTORY, 0, [json.dumps(row) for row in rows])
        assert [tuple(item) for item in tables.curves.media(key, "picture")] == [(3, 3), (11, 11), (29, 29)]
        tables.lines.cut(key, 20)
        assert [item.step for item in tables.curves.media(key, "picture")] == [3, 11]
        tables.lines.clear(key)
        assert tables.curves.media(key, "picture") == []


def _run(tables: Tables) -> int:
    project, _ = tables.projects.make("p", 1)
    for name in ("r", "parent"):
        if (old := tables.runs.by_name(project["id"], name)) is not None:
            tables.lines.clear(old["id"])
        else:
            tables.runs.add(project["id"], name, display_name=name, state="running")
    found = tables.runs.by_name(project["id"], "r")
    assert found is not None
    return int(found["id"])


def _change(tables: Tables, key: int, kind: str, first: Any, second: Any) -> int:
    if kind == "put":
        tables.lines.put(key, lines.HISTORY, first, [json.dumps(row) for row in second])
    elif kind == "append":
        start = tables.lines.count(key, lines.HISTORY)
        rows = [{"_step": tables.lines.last_step(key) % 2**61 + n * second, "loss": n} for n in range(1, first)]
        tables.lines.put(key, lines.HISTORY, start, [json.dumps(row) for row in rows])
    elif kind == "cut":
        tables.lines.cut(key, first)
    elif kind == "clear":
        tables.lines.clear(key)
    else:
        run = tables.runs.by_id(key)
        assert run is not None
        other = tables.runs.by_name(run["project_id"], "parent" if run["name"] == "r" else "r")
        assert other is not None
        tables.lines.clear(other["id"])
        tables.lines.inherit(other["id"], key, first)
        return int(other["id"])
    return key


def _check(tables: Tables, key: int) -> None:
    while tables.curves.behind(key) < 1.0:
        tables.curves.catch_up(key)
    db = tables.curves._db
    end = tables.curves._end(key)[0]
    rows = [
        (line, step, json.loads(text))
        for line, step, text in db.execute(
            "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = 'history' ORDER BY line", (key,)
        )
    ]
    for level in range(6):
        stored = {
            (row["block"], row["key"]): Block(*row[4:])
            for row in db.execute("SELECT * FROM curves WHERE run_id = ? AND level = ?", (key, level))
        }
        size = size_of(level)
        below = [row for row in rows if (row[0] // size + 1) * size <= end]
        twin = _twin(below, size)
        assert stored.keys() == twin.keys()
        for name, block in twin.items():
            _same(stored[name], block)
    whole = [block for _, block in sorted(_twin(rows, 2**70).items()) if _[1] == "loss"]
    for points in (1, 3, 1000):
        told = tables.curves.read(key, ["loss", "gone"], points=points)
        assert told["gone"] == []
        assert len(told["loss"]) <= points
        good = [block for block in told["loss"] if block.number]
        assert sum(block.number for block in good) == sum(block.number for block in whole)
        assert sum(block.odd for block in told["loss"]) == sum(block.odd for block in whole)
        if good:
            assert min(block.low for block in good) == min(block.low for block in whole if block.number)
            assert max(block.high for block in good) == max(block.high for block in whole if block.number)

    for first, last in ((0, 5), (3, 30), (20, 2**61), (-9, -1)):
        inner = [row for row in rows if row[1] is not None and first <= row[1] <= last]
        wanted = [block for name, block in _twin(inner, 2**70).items() if name[1] == "loss"]
        for points in (1, 4, 1000):
            found = tables.curves.read(key, ["loss"], first, last, points)["loss"]
            assert all(block.last_step >= first and block.first <= last for block in found)
            assert [block.first for block in found] == sorted(block.first for block in found)
            told = sum(block.number for block in found)
            needed = sum(block.number for block in wanted)
            assert told >= needed
            if points == 1000:
                assert told == needed


def _twin(rows: Iterable[Any], size: int) -> dict[tuple[int, str], Block]:
    """As it is written in the docstring, value for value."""
    values: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for line, step, row in rows:
        flat = {**row, **({"nest.a": row["nest"]["a"]} if "nest" in row else {})}
        for key, value in flat.items():
            if step is not None and key != "_step" and type(value) in (int, float):
                try:
                    number = float(value)
                except OverflowError:
                    number = math.inf
                values[line // size, key].append((step, number))
    found = {}
    for name, pairs in values.items():
        steps = [step for step, _ in pairs]
        good = [value for _, value in pairs if math.isfinite(value)]
        mean = sum(value / len(good) for value in good) if good else 0.0
        low, high, last = (min(good), max(good), good[-1]) if good else (0.0, 0.0, 0.0)
        odd = len(pairs) - len(good)
        found[name] = Block(min(steps), max(steps), low, high, mean, last, len(good), odd)
    return found


def _same(block: Block, twin: Block) -> None:
    assert block._replace(mean=0.0) == twin._replace(mean=0.0)
    scale = max(abs(twin.low), abs(twin.high))
    assert block.mean == pytest.approx(twin.mean, rel=1e-9, abs=1e-9 * scale)
