"""What the pages of a run ask for: who may, what is told of odd values, runs from before, and what has changed."""

import json
import math
from typing import Any

import pytest

from launch.server.errors import ApiError, NotFound
from launch.server.request import Request, Services
from launch.server.storage import lines
from launch.server.views import bands, curves, media, run_live, sweep_curves, tables
from launch.server.views.parts import Parts, every, whole
from tests.launch.server.asgi import Client
from tests.launch.server.test_users import bearer, make_things, person

__all__ = ["person"]

RUN = "/view/local/p/runs/r"
PLACE = {"entity": "local", "project": "p", "run": "r"}


@pytest.fixture
def run(services: Services) -> int:
    """An empty run."""
    with services.store.write() as stored:
        project, _ = stored.projects.make("p", 1)
        return stored.runs.add(project["id"], "r", display_name="r", state="running", started=1)


def put(services: Services, run: int, offset: int, rows: list[Any], stream: str = lines.HISTORY) -> None:
    with services.store.write() as stored:
        stored.lines.put(run, stream, offset, [row if isinstance(row, str) else json.dumps(row) for row in rows])


@pytest.mark.parametrize(
    "address",
    ["curves?key=loss", "system", "console", "lineage", "live", "media?key=x", "table?path=x", "files/a"],
)
def test_what_a_reader_may_not_see_is_not_there(
    services: Services,
    person: Any,
    client: Client,
    address: str,
) -> None:
    north, south = person("north"), person("south")
    make_things(north)
    path = f"/view/north/p/runs/r1/{address}"
    assert client.get(path).status_code == 401
    assert client.get(path, headers=bearer(south)).status_code == 404
    if address in ("curves?key=loss", "system", "console", "lineage"):
        assert client.get(path, headers=bearer(north)).status_code == 200


def test_a_run_from_before_is_read_slice_by_slice(
    services: Services, client: Client, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(services, run, 0, [{"_step": n, "loss": n} for n in range(30_000)])
    with services.store.write() as stored:
        stored.curves.clear(run)
    monkeypatch.setattr(curves, "BUILD_S", 1e-9)
    shares = []
    for _ in range(10):
        with services.store.read() as stored:
            shares.append(stored.curves.behind(run))
        told = client.get(f"{RUN}/curves?key=loss").json()
        if "keys" in told:
            break
        with services.store.write() as stored:
            stored.curves.catch_up(run)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert (told["keys"]["loss"]["low"][0], told["keys"]["loss"]["high"][-1]) == (0, 29_999)


def test_a_run_from_before_needs_one_question_if_it_is_short(services: Services, client: Client, run: int) -> None:
    put(services, run, 0, [{"_step": n, "loss": n} for n in range(500)])
    with services.store.write() as stored:
        stored.curves.clear(run)
    told = client.get(f"{RUN}/curves?key=loss&points=1000").json()["keys"]["loss"]
    assert told["mean"] == list(range(500))


def test_numbers_that_no_browser_knows(services: Services, client: Client, run: int) -> None:
    histogram = f'{{"_type": "histogram", "values": [{10**30}], "bins": [0, NaN]}}'
    odd = f'{{"_step": 0, "a": NaN, "b": 1e999, "c": {10**400}, "d": {histogram}}}'
    put(services, run, 0, [odd, {"_step": 1, "a": 2, "b": 3, "c": 4}])
    put(services, run, 0, [f'{{"_runtime": 1, "system.cpu": NaN, "system.x": {10**400}}}'], lines.EVENTS)
    told = client.get(f"{RUN}/curves?key=a&key=b&key=c").json()["keys"]
    assert {key: told[key]["mean"] for key in "abc"} == {"a": [None, 2], "b": [None, 3], "c": [None, 4]}
    assert client.get(f"{RUN}/system").json()["keys"] == {}
    assert client.get(f"{RUN}/media?key=d").json()["kind"] == "histogram"
    with Request(services, "", writes=False) as request:
        change, _ = run_live.changes(request, PLACE, None)
    assert change is not None
    assert change["points"] == {"a": [[0, 1], [None, 2]], "b": [[0, 1], [None, 3]], "c": [[0, 1], [None, 4]]}


def test_only_what_has_changed_is_told(services: Services, run: int) -> None:
    def look(mark: Any, **parts: str) -> tuple[Any, Any]:
        with Request(services, "", writes=False) as request:
            return run_live.changes(request, {**PLACE, **parts}, mark)

    put(services, run, 0, [{"_step": n, "loss": n, "picture": {"_type": "image-file"}} for n in range(3)])
    put(services, run, 0, ["one\n", "ERROR 2026-01-01T00:00:00 two\n"], lines.CONSOLE)
    told, mark = look(None, row="2", console="1", state="running")
    assert told["points"] == {"loss": [[2], [2]]}
    assert told["media"] == ["picture"]
    assert told["console"] == {"first": 1, "lines": [["two", "error"]], "anew": False}
    assert "state" not in told
    assert look(mark) == (None, mark)
    with services.store.write() as stored:
        stored.runs.set(run, state="finished", exit_code=0, summary=f'{{"loss": 3, "_x": 1, "big": {10**30}}}')
    told, mark = look(mark)
    assert {key: told[key] for key in ("state", "exit_code", "summary")} == {
        "state": "finished", "exit_code": 0, "summary": {"loss": 3, "big": 1e30},
    }  # fmt: skip
    assert "points" not in told
    put(services, run, 3, [{"_step": n, "loss": n} for n in range(3, 2_000)])
    told, mark = look(mark)
    assert (told["again"], told["keys"]) == (True, ["loss"])
    with services.store.write() as stored:
        stored.lines.cut(run, 10)
    assert look(mark)[0]["again"] is True


def test_lines_are_spread_evenly_and_no_others_are_read(services: Services, run: int) -> None:
    put(services, run, 0, [{"_runtime": n, "system.cpu": n} for n in range(1_001)], lines.EVENTS)
    with services.store.read() as stored:
        told = [json.loads(text)["_runtime"] for text in stored.lines.spread(run, lines.EVENTS, 11)]
        assert told == list(range(0, 1_001, 100))
        assert len(stored.lines.spread(run, lines.EVENTS, 5_000)) == 1_001
        assert stored.lines.spread(run, lines.HISTORY, 5) == []


def test_tables_are_sorted_numbers_first_and_what_is_empty_last() -> None:
    cells = [2, None, "b", 1.5, math.nan, "a", -1, {"x": 1}, 10**30]
    order = sorted(range(len(cells)), key=lambda index: tables._key(cells[index]))
    assert [cells[index] for index in order][:6] == [-1, 1.5, 2, 10**30, "a", "b"]
    assert [tables._key(cell)[0] for cell in (None, math.nan)] == [2, 2]


@pytest.mark.parametrize(
    ("value", "kind", "items"),
    [
        ({"_type": "image-file", "path": "a.png"}, "image", [{"file": "a.png", "caption": None}]),
        (
            {"_type": "images/separated", "filenames": ["a", "b", 3], "captions": ["x"]},
            "image",
            [{"file": "a", "caption": "x"}, {"file": "b", "caption": None}],
        ),
        (
            {"_type": "audio", "audio": [{"path": "a.wav", "caption": "c"}]},
            "audio",
            [{"file": "a.wav", "caption": "c"}],
        ),
        ({"_type": "object3D-file", "path": "a.glb"}, "file", [{"file": "a.glb", "caption": None}]),
        (
            {"_type": "histogram", "values": [1, 2], "bins": [0, 1, 2]},
            "histogram",
            [{"edges": [0, 1, 2], "counts": [1, 2]}],
        ),
        (
            {"_type": "histogram", "values": [1, 2], "packedBins": {"min": 1, "size": 0.5, "count": 2}},
            "histogram",
            [{"edges": [1, 1.5, 2], "counts": [1, 2]}],
        ),
        ({"_type": "histogram", "values": "x"}, "histogram", [{"edges": [], "counts": []}]),
        ("word", "none", []),
    ],
)  # fmt: skip
def test_media_have_one_shape(value: Any, kind: str, items: Any) -> None:
    assert media.shown(value) == {"kind": kind, "items": items}


def test_bands_are_the_mean_and_the_ends_of_straight_lines() -> None:
    from launch.server.storage.blocks import of_values

    steps = list(range(0, 101, 10))
    rising, longer = of_values(steps, [float(n) for n in steps], 100), of_values([0, 200], [100.0, 300.0], 100)
    told = bands.band([rising, longer], 5)
    assert told["x"] == [0, 50, 100, 150, 200]
    assert told["n"] == [2, 2, 2, 1, 1]
    assert told["low"] == [0, 50, 100, 250, 300]
    assert told["high"] == [100, 150, 200, 250, 300]
    assert told["mean"] == [50, 100, 150, 250, 300]


def test_factors_are_what_differs() -> None:
    configs = [{"model": {"kind": kind, "dim": 8}, "seed": seed} for kind in "ab" for seed in range(3)]
    assert sweep_curves._factors(configs) == ["model.kind", "seed"]
    assert sweep_curves.at(configs[0], "model.kind") == "a"
    assert sweep_curves.at({"a.b": 1}, "a.b") == 1
    assert sweep_curves.at({}, "a.b") is None


def test_parts_of_an_address() -> None:
    parts = Parts({"run": "b"}, [("run", "a"), ("run", "b"), ("run", "a"), ("x", "1")])
    assert every(parts, "run") == ["a", "b"]
    assert every({"run": "b"}, "run") == ["b"]
    assert [whole({"n": text}, "n", 5, 0, 10) for text in ("", "3", "-3", "99")] == [5, 3, 0, 10]
    for text in ("x", "1.5", "--1", "9" * 30, "٣"):
        with pytest.raises(ApiError, match="`n` must be a whole number from 0 to 10"):
            whole({"n": text}, "n", 5, 0, 10)


def test_a_medium_that_is_not_there(services: Services, run: int) -> None:
    with Request(services, "", writes=False) as request, pytest.raises(NotFound, match="no media as 'x'"):
        media.media(request, {**PLACE, "key": "x"})
