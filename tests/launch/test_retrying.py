"""Points that fail are worked once more, as often as the kind of their failure allows."""

import json

import pytest

from tests.lab import Lab, quick_sweep
from tests.launch.test_workers import rows, sweep_path

pytestmark = pytest.mark.slow


def outcomes(lab: Lab, path: str) -> dict[int, list[str]]:
    """The states of the runs of each point, oldest first, by its x."""
    found: dict[int, list[str]] = {}
    for run in rows(lab, path):
        found.setdefault(run["config"]["sashiko"]["config"]["x"], []).append(run["state"])  # type: ignore[index, arg-type]
    return found


def test_by_kind(lab: Lab):
    moods = ["well", "flaky", "raises", "killed", "greedy", "wrong"]
    pairs = [{"x": number, "mood": mood} for number, mood in enumerate(moods)]
    file = quick_sweep(lab, "kinds", json.dumps({"x+mood": {"values": pairs}}))
    done = lab.sashiko("sweep", str(file), "--workers", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(lab, sweep_path(done.stdout)) == {
        0: ["finished"], 1: ["failed", "finished"], 2: ["failed"] * 2, 3: ["failed"] * 2, 4: ["failed"] * 2,
        5: ["failed"],
    }  # fmt: skip
    assert "2 runs finished, 4 failed" in done.stdout
    assert done.stderr.count("once more x=") == 4
    status = lab.sashiko("status", str(file))
    assert "6 points: 2 finished, 4 failed" in status.stdout, status.stdout


def test_what_failed_twice_is_not_tried_by_the_next_command(lab: Lab):
    file = quick_sweep(lab, "stubborn", "{x: {values: [1]}, mood: {value: raises}}")
    first = lab.sashiko("sweep", str(file))
    assert first.returncode == 1
    again = lab.sashiko("sweep", str(file))
    assert "nothing to run: 1 of 1 runs have ended, 1 of them failed" in again.stdout
    assert len(outcomes(lab, sweep_path(first.stdout))[1]) == 2


def test_a_point_that_was_drawn_is_not_tried_again(lab: Lab):
    path = lab.folder / "drawn.yaml"
    path.write_text(
        "name: drawn\nproject: lab\nmethod: random\nrun_cap: 2\n"
        'command: ["${env}", "python", "-m", "experiments", "quick"]\n'
        "parameters: {x: {min: 0, max: 9}, mood: {value: raises}}\n"
    )
    done = lab.sashiko("sweep", str(path))
    assert done.returncode == 1
    assert [run["state"] for run in rows(lab, sweep_path(done.stdout))] == ["failed"] * 2
