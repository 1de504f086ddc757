"""The lines of a run: whatever is sent in whatever order, what is told of the keys is what the rows hold."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.server.limits import MAX_JSON_DEPTH
from launch.server.request import Services
from launch.server.storage import lines

VALUE = st.integers(0, 3) | st.none() | st.sampled_from([math.nan, math.inf, -2.5])
ROW = st.dictionaries(st.sampled_from(["loss", "acc", "_step", "a.b"]), VALUE, max_size=3)
SENT = st.tuples(st.integers(0, 6), st.lists(ROW, max_size=4))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(SENT, max_size=6), repeats=st.integers(1, 2))
def test_keys_are_counted_as_a_slow_count_does(services: Services, batches: Any, repeats: int) -> None:
    twin: dict[int, dict[str, Any]] = {}
    with services.store.write() as tables:
        project, _ = tables.projects.make("p", 1)
        run = tables.runs.by_name(project["id"], "r")
        key = tables.runs.add(project["id"], "r", display_name="r", state="running") if run is None else run["id"]
        tables.lines.clear(key)
        for offset, rows in batches:
            for _ in range(repeats):  # a lost reply: the client sends it once more
                tables.lines.put(key, lines.HISTORY, offset, [json.dumps(row) for row in rows])
            twin |= dict(enumerate(rows, offset))
        stored = [(row.line, json.loads(row.text)) for row in tables.lines.page(key, lines.HISTORY, 0, -1)]
        told = {row["key"]: row["count"] for row in tables.lines.keys(key)}
        ends = {name: tables.lines.extremes(name, "id", key).get(key) for name in ("loss", "acc", "_step")}
    assert repr(stored) == repr(sorted(twin.items(), key=lambda item: item[0]))  # NaN equals nothing
    names = {name for row in twin.values() for name in row}
    assert told == {name: sum(name in row for row in twin.values()) for name in names}
    for name in ("loss", "acc"):
        numbers = [float(row[name]) for row in twin.values() if row.get(name) is not None]
        numbers = [number for number in numbers if math.isfinite(number)]
        assert ends[name] == ((min(numbers), max(numbers)) if numbers else None)
    assert ends["_step"] is None


def nested(depth: int, kind: str) -> str:
    """JSON in which so many lists or objects are within one another."""
    opened, closed = ("[", "]") if kind == "lists" else ('{"a":', "}")
    return f"{opened * depth}1{closed * depth}"


READS = """{ project(name: "p") { run(name: "r") { history(samples: 100) historyKeys summaryMetrics events
    sampledHistory(specs: ["{\\"keys\\":[\\"_step\\",\\"x\\"],\\"samples\\":100}"]) } } }"""


@pytest.mark.parametrize("name", ["wandb-history.jsonl", "wandb-events.jsonl", "wandb-summary.json"])
@pytest.mark.parametrize("kind", ["lists", "objects"])
def test_what_is_taken_can_be_read_however_deep_it_is_nested(
    ask: Any, make_run: Any, stream: Any, kind: str, name: str
) -> None:
    make_run("r")
    for index, depth in enumerate((MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH, 300, 900, 1000, 1030, 5000)):
        text = f'{{"_step": {index}, "x": {nested(depth, kind)}}}'  # the row is one more
        good = depth < MAX_JSON_DEPTH
        said = stream("r", {"files": {name: {"offset": index, "content": [text]}}}, 200 if good else 400)
        assert good or "nested" in said["error"]
        told = ask(READS)["project"]["run"]
        assert nested(MAX_JSON_DEPTH - 1, kind) in str(told).replace(" ", "").replace("'", '"').replace("\\", "")


@pytest.mark.parametrize("text", ['{"x": [1, NaN]}', '{"x": "[[[[' + "[" * 200 + '"}'])
def test_brackets_in_a_text_and_bare_numbers_are_no_depth(text: str) -> None:
    lines._must_be_shallow([text, text.replace("[1", "[" * 40 + "1").replace("N]", "N" + "]" * 40)])


def test_a_line_that_is_too_deep_among_others_is_named_and_none_is_stored(services: Services) -> None:
    with services.store.write() as tables:
        project, _ = tables.projects.make("p", 1)
        key = tables.runs.add(project["id"], "r", display_name="r", state="running")
        deep = f'{{"deep": {nested(MAX_JSON_DEPTH, "lists")}}}'
        for stream in (lines.HISTORY, lines.EVENTS):
            with pytest.raises(ValueError, match=f"nested at most {MAX_JSON_DEPTH} deep, and is not: '{{.deep.: "):
                tables.lines.put(key, stream, 0, ['{"a": 1}', deep, '{"a": 2}'])
            assert tables.lines.count(key, stream) == 0
        tables.lines.put(key, lines.CONSOLE, 0, ["[" * 1000])
