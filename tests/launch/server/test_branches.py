"""Runs that branch off: from another run's history, and from their own."""

import json
from typing import Any

import pytest

HISTORY = """query H($n: String!) { project(name: "p") { run(name: $n) {
    history(minStep: 0, maxStep: 99) sampled: history(samples: 9) historyLineCount historyKeys
    parquetHistory { liveData } } } }"""
REWIND = """mutation R($n: String!, $m: String!, $v: Float) { rewindRun(input: {runName: $n, projectName: "p",
    metricName: $m, metricValue: $v}) { rewoundRun { name historyLineCount } } }"""


def told(ask: Any, name: str) -> Any:
    return ask(HISTORY, n=name)["project"]["run"]


def log(stream: Any, name: str, *losses: int, step: int = 0, offset: int = 0) -> None:
    content = [json.dumps({"_step": step + index, "loss": loss}) for index, loss in enumerate(losses)]
    stream(name, {"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}})


def branch(parent: str, step: object) -> str:
    return json.dumps({"_wandb": {"value": {"branch_point": {"run_id": parent, "step": step}}}})


@pytest.fixture
def parent(make_run: Any, stream: Any) -> str:
    make_run("parent")
    log(stream, "parent", 9, 8, 7, 6)
    return "parent"


def losses(run: Any, field: str = "history") -> list[int]:
    return [json.loads(row)["loss"] for row in run[field]]


def test_a_fork_shows_what_its_parent_logged_up_to_the_step(
    ask: Any, make_run: Any, stream: Any, parent: str
) -> None:
    assert make_run("child", config=branch(parent, 1))["inserted"]
    make_run("child", config=branch(parent, 1))  # the client repeats its config: nothing is inherited twice
    log(stream, "child", 70, 60, step=2)
    log(stream, "child", 70, 60, step=2)
    make_run("grandchild", config=branch("child", 2))
    log(stream, "grandchild", 600, step=3)
    child, grandchild = told(ask, "child"), told(ask, "grandchild")
    assert losses(child) == losses(child, "sampled") == [9, 8, 70, 60]
    assert losses(grandchild) == losses(grandchild, "sampled") == [9, 8, 70, 600]
    assert (child["historyLineCount"], grandchild["historyLineCount"]) == (2, 1)
    assert child["historyKeys"]["lastStep"] == 3
    assert child["historyKeys"]["keys"]["loss"]["typeCounts"] == [{"type": "number", "count": 4}]
    assert child["parquetHistory"]["liveData"] == [{"_step": 0}]
    assert losses(told(ask, parent)) == [9, 8, 7, 6]


def test_a_fork_without_rows_of_its_own_has_no_lines_of_its_own(
    ask: Any, make_run: Any, stream: Any, parent: str
) -> None:
    make_run("child", config=branch(parent, 1))
    assert (told(ask, "child")["historyLineCount"], losses(told(ask, "child"))) == (0, [9, 8])
    log(stream, "child", 70, step=2)
    rewound = ask(REWIND, n="child", m="_step", v=0.0)["rewindRun"]["rewoundRun"]
    assert rewound["historyLineCount"] == 0
    log(stream, "child", 80, step=1)
    assert losses(told(ask, "child")) == [9, 80]


def test_a_fork_before_the_first_row_goes_on_alone(ask: Any, make_run: Any, stream: Any, parent: str) -> None:
    make_run("child", config=branch(parent, -1))
    log(stream, "child", 5)
    assert losses(told(ask, "child")) == [5]


@pytest.mark.parametrize(
    ("config", "status", "message"),
    [
        (branch("nobody", 1), 404, "no run p/nobody to fork from"),
        (branch("parent", "1"), 400, "forked at a step, not at '1'"),
        (branch("parent", None), 400, "forked at a step, not at None"),
        (branch("parent", 2**80), 400, "forked at a step"),
    ],
)
def test_forks_that_are_refused(ask: Any, parent: str, config: str, status: int, message: str) -> None:
    query = """mutation U($c: JSONString) { upsertBucket(input: {name: "child", modelName: "p", config: $c}) {
        inserted } }"""
    assert message in ask(query, status, c=config)
    assert ask(HISTORY, n="child")["project"]["run"] is None


def test_a_run_is_taken_back_to_a_step(ask: Any, make_run: Any, stream: Any, parent: str) -> None:
    rewound = ask(REWIND, n=parent, m="_step", v=1.0)["rewindRun"]["rewoundRun"]
    assert rewound == {"name": "parent", "historyLineCount": 2}
    make_run(parent, config=branch(parent, 1))  # its own name is no parent
    log(stream, parent, 70, step=2, offset=2)
    run = told(ask, parent)
    assert losses(run) == [9, 8, 70]
    assert run["historyKeys"]["keys"]["loss"]["typeCounts"] == [{"type": "number", "count": 3}]


def test_rewinds_that_are_refused(ask: Any, parent: str) -> None:
    assert ask(REWIND, 404, n="nobody", m="_step", v=1.0) == "no run local/p/nobody"
    assert "of _step only" in ask(REWIND, 400, n=parent, m="loss", v=1.0)
    assert "of _step only" in ask(REWIND, 400, n=parent, m="_step", v=None)
    assert losses(told(ask, parent)) == [9, 8, 7, 6]
