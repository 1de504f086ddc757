"""Which run a word means: by id or by name, with its project or without."""

from collections.abc import Mapping
from typing import Any

import pytest

from framework.errors import TrackerError
from framework.tracking import remote_runs, sweeps
from framework.tracking.tracker import Tracker
from launch import naming

TRACKER = Tracker("http://h", "k")
RUNS = {
    ("me", "sashiko"): [("aa", "x=1"), ("bb", "x=2"), ("cc", "x=2")],
    ("me", "lab"): [("dd", "x=3"), ("aa", "x=4")],
    ("you", "lab"): [("ee", "x=3")],
}


@pytest.fixture(autouse=True)
def tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(run: tuple[str, str]) -> dict[str, Any]:
        return {"id": f"key-{run[0]}", "name": run[0], "displayName": run[1], "state": "running", "sweepName": "s"}

    def one(_: Tracker, entity: str, project: str, run_id: str, fields: str) -> dict[str, Any] | None:
        return next((node(run) for run in RUNS.get((entity, project), []) if run[0] == run_id), None)

    def listed(_: Tracker, entity: str, project: str, filters: Mapping[str, Any], fields: str) -> Any:
        return (node(run) for run in RUNS.get((entity, project), []) if run[1] == filters["display_name"])

    monkeypatch.setattr(remote_runs, "one", one)
    monkeypatch.setattr(remote_runs, "listed", listed)
    monkeypatch.setattr(sweeps, "projects", lambda tracker, entity: [p for e, p in RUNS if e == entity])
    monkeypatch.setattr(Tracker, "check", lambda self: "me")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("aa", "me/sashiko/aa"),
        ("dd", "me/lab/dd"),
        ("x=3", "me/lab/dd"),
        ("lab/aa", "me/lab/aa"),
        ("lab/x=4", "me/lab/aa"),
        ("me/lab/dd", "me/lab/dd"),
        ("you/lab/x=3", "you/lab/ee"),
        ("/lab/dd/", "me/lab/dd"),
    ],
)
def test_a_run_is_found(text, path):
    found = naming.find_run(TRACKER, text)
    assert found.path == path
    assert (found.key, found.sweep) == (f"key-{found.id}", "s")


def test_the_project_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_PROJECT", "lab")
    assert naming.find_run(TRACKER, "aa").path == "me/lab/aa"


def test_a_name_that_several_runs_have_is_refused_with_their_ids():
    with pytest.raises(TrackerError, match=r"2 runs of me/sashiko are called x=2; give an id, such as bb, cc"):
        naming.find_run(TRACKER, "x=2")


@pytest.mark.parametrize("text", ["zz", "lab/zz", "a/b/c/d", "nowhere/aa"])
def test_what_is_no_run_is_told(text):
    with pytest.raises(TrackerError, match=f"has no run {text}; a run is"):
        naming.find_run(TRACKER, text)
