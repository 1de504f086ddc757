"""Points once more, in the same sweep."""

import pytest

from framework.errors import ConfigError
from launch.rerunning import indices_of
from tests.lab import Lab, quick_sweep
from tests.launch.test_workers import rows, sweep_path


@pytest.mark.parametrize(
    ("text", "indices"), [("3", [3]), ("3,7-9", [3, 7, 8, 9]), ("2-2, 1", [1, 2]), ("5,5,4-5", [4, 5])]
)
def test_indices(text: str, indices: list[int]):
    assert indices_of(text) == indices


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "9-7", "1,,2", "1.5"])
def test_what_is_no_index_is_told(text: str):
    with pytest.raises(ConfigError, match=r"--points: is .*; write indices and ranges: 3,7-9"):
        indices_of(text)


def test_every_wrong_one_is_told_at_once():
    with pytest.raises(ConfigError) as told:
        indices_of("a,3,9-7")
    assert len(told.value.problems) == 2


@pytest.fixture(scope="module")
def failing(lab: Lab) -> str:
    """A sweep of two points, of which one fails for want of a file."""
    file = quick_sweep(lab, "failing", "{x: {values: [1, 2]}, mood: {values: [well, absent]}}")
    (lab.folder / "experiments" / "quick" / "manager.py").write_text(
        (lab.folder / "experiments" / "quick" / "manager.py")
        .read_text()
        .replace(
            'if config.mood == "raises":',
            'if config.mood == "absent" and not (Path(os.environ["HOME"]) / "mended").exists():\n'
            '            raise OSError("no such data")\n        if config.mood == "raises":',
        )
    )
    done = lab.sashiko("sweep", str(file))
    assert done.returncode == 1
    assert "once more: sashiko rerun local/lab/" in done.stderr
    return sweep_path(done.stdout)


def ended(lab: Lab, path: str) -> list[str]:
    return sorted(f"{run['config']['mood']} {run['state']}" for run in rows(lab, path))  # type: ignore[index]


@pytest.mark.slow
def test_the_failed_ones(lab: Lab, failing: str):
    before = ended(lab, failing)
    assert before == ["absent failed"] * 4 + ["well finished"] * 2, "each failed one was tried twice"
    (lab.folder / "mended").touch()
    done = lab.sashiko("rerun", failing, "--failed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"2 points once more in {failing}" in done.stdout
    assert ended(lab, failing) == sorted([*before, "absent finished", "absent finished"])
    assert "4 points: 4 finished" in lab.sashiko("status", failing).stdout
    assert f"no point of {failing} has failed" in lab.sashiko("rerun", failing, "--failed").stdout


@pytest.mark.slow
def test_some_that_are_done(lab: Lab, failing: str):
    before = ended(lab, failing)
    done = lab.sashiko("rerun", failing, "--points", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 run finished, 0 failed" in done.stdout
    assert len(ended(lab, failing)) == len(before) + 1
    assert all(one.endswith((" failed", " finished")) for one in ended(lab, failing))


@pytest.mark.slow
def test_what_cannot_be_worked_once_more_is_told_with_all_that_is_wrong(lab: Lab, failing: str):
    done = lab.sashiko("rerun", failing, "--points", "1,7-8")
    assert done.returncode == 2
    assert "--points 7: is out of range; allowed: 0 to 3" in done.stderr
    assert "--points 8" in done.stderr
    neither = lab.sashiko("rerun", failing)
    assert neither.returncode == 2
    assert "one of the two says which points are meant" in neither.stderr
