"""The lines of a run: whatever is sent in whatever order, what is told of the keys is what the rows hold."""

import json
import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
