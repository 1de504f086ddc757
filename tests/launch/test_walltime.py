import pytest

from launch import slurm, walltime
from launch.walltime import Walltime


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(walltime, "time", made)
    return made


def with_points(end: float | None, whole_s: float, *durations: float) -> Walltime:
    made = Walltime(end, whole_s)
    for seconds in durations:
        made.add(seconds)
    return made


def test_another_point_is_begun_while_it_fits(clock: Clock):
    time_of = with_points(100.0, 100.0, 30.0, 20.0, 40.0)
    clock.now = 70.0
    assert time_of.too_short() == ""
    clock.now = 71.0
    assert time_of.too_short() == "29 s are left to the job, and a point takes 30 s"


def test_what_fits_into_no_job_is_begun_all_the_same(clock: Clock):
    clock.now = 50.0
    assert with_points(100.0, 100.0, 300.0).too_short() == ""


def test_nothing_is_known_before_a_point_is_done_or_outside_a_job(clock: Clock):
    clock.now = 99.0
    assert with_points(100.0, 100.0).too_short() == ""
    assert with_points(None, 0.0, 30.0).too_short() == ""


@pytest.mark.parametrize(
    ("told", "end", "whole_s"),
    [
        ("10:00|4:00:00", 420.0, 14_220.0),
        ("UNLIMITED|UNLIMITED", None, 0.0),
        ("INVALID|1-00:00:00", -180.0, 86_220.0),
    ],
)
def test_what_slurm_tells(
    told: str, end: float | None, whole_s: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(slurm.WARNING, "120")
    monkeypatch.setattr(slurm, "call", lambda *words: f"{told}\n")
    found = walltime.of_job()
    assert (found.end, found.whole_s) == (end, whole_s)


def test_outside_a_job_nobody_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(slurm, "call", lambda *words: pytest.fail("asked"))
    assert walltime.of_job().end is None
