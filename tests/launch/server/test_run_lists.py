"""Lists of runs: filters and orders over many runs, their counts, and pages that fit together."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from launch.server import limits
from launch.server.request import Services
from launch.server.selections import Selections

PAGE = """query Runs($first: Int, $after: String, $filters: JSONString, $order: String) { project(name: "p") {
    runCount(filters: $filters)
    runs(first: $first, after: $after, filters: $filters, order: $order) {
        edges { cursor node { name historyLineCount historyKeys } } pageInfo { hasNextPage endCursor } } } }"""


@pytest.fixture
def fill(services: Services) -> Callable[..., None]:
    """Store runs named r0, r1, … with `config.x` and `summary.y`."""

    def store(count: int, **more: Any) -> None:
        with services.store.write() as tables:
            project, _ = tables.projects.make("p")
            for index in range(count):
                tables.runs.add(
                    project["id"], f"r{index}", display_name=f"run-{index}", state="finished", started=1,
                    config=json.dumps({"x": {"value": index % 10}}), summary=json.dumps({"y": -index}), **more,
                )  # fmt: skip

    return store


@pytest.fixture
def pages(ask: Any) -> Callable[..., Iterator[Any]]:
    def walk(first: int, **args: Any) -> Iterator[Any]:
        cursor = None
        while True:
            project = ask(PAGE, first=first, after=cursor, **args)["project"]
            yield project
            if not project["runs"]["pageInfo"]["hasNextPage"]:
                return
            cursor = project["runs"]["edges"][-1]["cursor"]

    return walk


def names(project: Any) -> list[str]:
    return [edge["node"]["name"] for edge in project["runs"]["edges"]]


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ({}, [f"r{i}" for i in range(25)]),
        ({"order": "-created_at"}, [f"r{i}" for i in reversed(range(25))]),
        ({"filters": '{"config.x": 3}'}, ["r3", "r13", "r23"]),
        ({"filters": '{"config.x.value": {"$gte": 8}}', "order": "-created_at"}, ["r19", "r18", "r9", "r8"]),
        ({"filters": '{"config.x": 3}', "order": "+summary_metrics.y"}, ["r23", "r13", "r3"]),
        ({"order": "-config.x.value,-created_at", "filters": '{"config.x": {"$in": [0, 9]}}'},
         ["r19", "r9", "r20", "r10", "r0"]),
        ({"filters": '{"state": "failed"}'}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [2, 100])
def test_pages_fit_together(fill: Any, pages: Any, args: Any, wanted: list[str], first: int) -> None:
    fill(25)
    found = list(pages(first, **args))
    assert [name for project in found for name in names(project)] == wanted
    assert {project["runCount"] for project in found} == {len(wanted)}


def test_a_list_that_is_paged_stays_as_it_was(fill: Any, pages: Any, make_run: Any) -> None:
    fill(20)
    walk = pages(2, filters='{"config.x": {"$lt": 3}}', order="-summary_metrics.y")
    found = names(next(walk))
    for index in range(3):  # would all come first now
        make_run(f"late{index}", config='{"x": {"value": 0}}', summary='{"y": 9}')
    found += [name for project in walk for name in names(project)]
    assert found == ["r0", "r1", "r2", "r10", "r11", "r12"]
    again = [name for project in pages(50, filters='{"config.x": {"$lt": 3}}') for name in names(project)]
    assert again == [*(f"r{index}" for index in (0, 1, 2, 10, 11, 12)), "late0", "late1", "late2"]


def test_a_page_is_never_cut_without_a_word(fill: Any, pages: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from launch.server.resolvers import paging

    assert limits.MAX_PAGE == paging.MAX_PAGE
    monkeypatch.setattr(paging, "MAX_PAGE", 10)
    fill(25)
    for args in ({}, {"filters": '{"summary_metrics.y": {"$lte": 0}}'}):
        found = list(pages(20_000, **args))
        assert [len(names(project)) for project in found] == [10, 10, 5]


def test_histories_of_a_page_belong_to_their_runs(services: Services, fill: Any, ask: Any) -> None:
    fill(3)
    with services.store.write() as tables:
        for key, count in ((1, 2), (3, 5)):
            rows = [json.dumps({"_step": step * 10, f"m{key}": step}) for step in range(count)]
            tables.lines.put(key, "history", 0, rows)
    edges = ask(PAGE, first=10)["project"]["runs"]["edges"]
    told = [
        (edge["node"]["historyLineCount"], edge["node"]["historyKeys"]["lastStep"],
         sorted(edge["node"]["historyKeys"]["keys"]))
        for edge in edges
    ]  # fmt: skip
    assert told == [(2, 10, ["_step", "m1"]), (0, -1, []), (5, 40, ["_step", "m3"])]
    assert edges[2]["node"]["historyKeys"]["keys"]["m3"] == {
        "typeCounts": [{"type": "number", "count": 5}], "monotonic": False, "previousValue": None,
    }  # fmt: skip


def test_a_selection_is_kept_until_something_is_written() -> None:
    kept = Selections(kept=2)
    kept.keep("a", 1, [3, 4])
    assert kept.get("a", 1, goes_on=False) == [3, 4]
    assert kept.get("a", 2, goes_on=False) is None
    assert kept.get("a", 2, goes_on=True) == [3, 4]
    kept.keep("b", 1, [])
    kept.get("a", 1, goes_on=False)
    kept.keep("c", 1, [])
    assert [kept.get(key, 1, goes_on=False) for key in "abc"] == [[3, 4], None, []]


def test_an_old_selection_is_made_anew() -> None:
    kept = Selections(seconds=0.0)
    kept.keep("a", 1, [3])
    assert kept.get("a", 2, goes_on=True) is None
    assert kept.get("a", 1, goes_on=True) == [3]
