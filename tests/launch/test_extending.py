"""A sweep file is changed and given again: what is new is worked, what is done stays done."""

import re

import pytest

from framework.tracking import sweeps
from tests.lab import Lab, quick_sweep
from tests.launch.test_workers import rows, sweep_path

pytestmark = pytest.mark.slow


def xs(lab: Lab, path: str) -> list[int]:
    """The x of each finished run of a sweep, in order."""
    return sorted(run["config"]["x"] for run in rows(lab, path) if run["state"] == "finished")  # type: ignore[index]


def test_what_is_new_runs_in_the_same_sweep(lab: Lab):
    first = lab.sashiko("sweep", str(quick_sweep(lab, "grown", "{x: {values: [1, 2]}}")))
    path = sweep_path(first.stdout)
    file = quick_sweep(lab, "grown", "{x: {values: [1, 2, 3, 4]}}")
    again = lab.sashiko("sweep", str(file))
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"changed {path} (2 new, 2 unchanged, 0 gone)" in again.stdout, again.stdout
    assert "2 runs finished, 0 failed" in again.stdout
    assert xs(lab, path) == [1, 2, 3, 4]
    assert "nothing to run: 4 of 4" in lab.sashiko("sweep", str(file)).stdout
    status = lab.sashiko("status", str(file))
    assert "4 points: 4 finished" in status.stdout, status.stdout


def test_what_is_gone_stays_wanted_unless_it_is_replanned(lab: Lab):
    first = lab.sashiko("sweep", str(quick_sweep(lab, "moved", "{x: {values: [1, 2]}}")), "--slurm", "absent")
    assert first.returncode == 2
    made = quick_sweep(lab, "moved", "{x: {values: [1, 2, 3]}}")
    path = made_by_wandb(lab, made)
    file = quick_sweep(lab, "moved", "{x: {values: [3, 4]}}")
    looked = lab.sashiko("sweep", str(file))
    assert f"changed {path} (1 new, 1 unchanged, 2 gone: 2 open points kept; --replan" in looked.stdout
    assert xs(lab, path) == [1, 2, 3, 4]
    more = quick_sweep(lab, "moved", "{x: {values: [3, 4, 5, 6]}}")
    stop = lab.sashiko("sweep", str(more), "--workers", "1")
    assert "(2 new, 2 unchanged, 2 gone)" in stop.stdout
    assert xs(lab, path) == [1, 2, 3, 4, 5, 6]


def test_what_is_withdrawn_is_not_worked(lab: Lab):
    path = made_by_wandb(lab, quick_sweep(lab, "fewer", "{x: {values: [1, 2, 3]}}"))
    file = quick_sweep(lab, "fewer", "{x: {values: [3, 4]}}")
    done = lab.sashiko("sweep", str(file), "--replan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"changed {path} (1 new, 1 unchanged, 2 gone: 2 open points withdrawn)" in done.stdout
    assert xs(lab, path) == [3, 4]
    # what is withdrawn after it was done is told of, and keeps nothing from being changed again
    shrunk = quick_sweep(lab, "fewer", "{x: {values: [4, 5]}}")
    assert lab.sashiko("sweep", str(shrunk), "--replan").returncode == 0
    assert xs(lab, path) == [3, 4, 5]
    assert "nothing to run: 2 of 2" in lab.sashiko("sweep", str(shrunk)).stdout


def test_the_clients_own_update_changes_a_grid(lab: Lab):
    path = made_by_wandb(lab, quick_sweep(lab, "updated", "{x: {values: [1]}}"))
    file = quick_sweep(lab, "updated", "{x: {values: [1, 2]}}")
    lab.call("wandb", "sweep", "--update", path, str(file), **exports(lab))
    assert lab.sashiko("agents", path).returncode == 0
    assert xs(lab, path) == [1, 2]


def exports(lab: Lab) -> dict[str, str]:
    lines = lab.sashiko("env").stdout.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)


def made_by_wandb(lab: Lab, file: object) -> str:
    """The path of a sweep that nobody works yet."""
    lab.sashiko("serve", "--status")
    told = exports(lab)
    if not told:  # a server starts where one is needed
        lab.sashiko("sweep", str(quick_sweep(lab, "starter", "{x: {value: 0}}")))
        told = exports(lab)
    said = lab.call("wandb", "sweep", str(file), **told)
    found = re.findall(r"wandb agent (\S+)", said.stdout + said.stderr)
    return str(sweeps.parse_path(found[0], "local"))


def test_what_another_sweep_of_the_project_has_done_is_known(lab: Lab):
    done = lab.sashiko("sweep", str(quick_sweep(lab, "before", "{x: {values: [1, 2]}, seed: {value: 77}}")))
    before = sweep_path(done.stdout).rsplit("/", 1)[1]
    file = quick_sweep(lab, "after", "{x: {values: [1, 2, 3]}, seed: {value: 77}}")
    rest = lab.sashiko("sweep", str(file), "--open")
    assert rest.returncode == 0, rest.stderr
    assert "of 1 point open" in rest.stdout, rest.stdout
    assert xs(lab, sweep_path(rest.stdout)) == [3]
    third = quick_sweep(lab, "third", "{x: {values: [2, 9]}, seed: {value: 77}}")
    whole = lab.sashiko("sweep", str(third))
    assert f"; 1 of its 2 points done in {before}: --open leaves them out" in whole.stdout, whole.stdout
    assert xs(lab, sweep_path(whole.stdout)) == [2, 9]
