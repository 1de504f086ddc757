"""Failures by cause: which is which, which are the same, and what mends them."""

import pytest

from framework.tracking.ledger import Attempt, Entry
from framework.tracking.states import Cause
from framework.tracking.sweeps import SweepPath
from launch.failures import MENDS, Kind, grouped, kind_of

PATH = SweepPath("me", "lab", "abc")
URL = "http://h"


def attempt(run_id: str = "r", cause: Cause = Cause.FAILED, error: str = "", **more) -> Attempt:
    return Attempt(run_id, f"name of {run_id}", "failed", cause, error=error, **more)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", Kind.MEMORY),
        ("MemoryError", Kind.MEMORY),
        ("RuntimeError: [enforce fail] not enough memory: you tried to allocate 9 bytes", Kind.MEMORY),
        ("RequirementFailed: model-1 could not be made: MemoryError", Kind.REQUIREMENT),
        ("ConfigError: file: 2 problems", Kind.CONFIG),
        ("local/lab/abc: 1 problem\n  - x: is 3; less than 2", Kind.CONFIG),
        ("TimeoutError", Kind.TIMEOUT),
        ("ReadTimeout: the server timed out", Kind.TIMEOUT),
        ("killed by signal 9 (SIGKILL)", Kind.KILLED),
        ("ValueError: x is 3", Kind.EXCEPTION),
        ("TrainingDiverged: nan loss at step 3", Kind.DIVERGED),
        ("my.module.OwnError: no", Kind.EXCEPTION),
        ("KeyError", Kind.EXCEPTION),
        ("exited with code 7 without ending its run", Kind.UNKNOWN),
        ("", Kind.UNKNOWN),
    ],
)
def test_the_cause_of_an_error(error, kind):
    assert kind_of(attempt(error=error)) is kind


def test_what_slurm_says_of_the_job_of_a_lost_run_decides():
    lost = attempt(cause=Cause.LOST)
    assert kind_of(lost) is Kind.LOST
    assert kind_of(lost, "OUT_OF_MEMORY") is Kind.MEMORY
    assert kind_of(lost, "TIMEOUT") is Kind.TIMEOUT
    assert kind_of(attempt(error="ValueError: x"), "TIMEOUT") is Kind.EXCEPTION
    assert kind_of(attempt(cause=Cause.STOPPED), "TIMEOUT") is Kind.STOPPED


def entries(*errors: str) -> list[Entry]:
    return [Entry(f"p{i}", [attempt(f"r{i}", error=error)]) for i, error in enumerate(errors)]


def test_messages_that_differ_in_numbers_alone_are_one_failure():
    some = entries("ValueError: x is 3", "KeyError: 'a'", "ValueError: x is 1.5e-3", "ValueError: y is 3")
    found = grouped(some, PATH, URL, command="again", states={})
    assert [(failure.count, failure.what) for failure in found] == [
        (2, "ValueError: x is 3"), (1, "KeyError: 'a'"), (1, "ValueError: y is 3"),
    ]  # fmt: skip
    assert sum(failure.count for failure in found) == len(some)
    first = found[0]
    assert (first.run, first.name, first.url) == ("me/lab/r0", "name of r0", "http://h/me/lab/runs/r0")
    assert first.command == "again"
    assert "sashiko logs lab/r0" in first.mend


def test_every_kind_has_its_mend():
    assert set(MENDS) == set(Kind)


def test_the_job_of_a_run_is_looked_up():
    lost = Entry("p", [attempt(cause=Cause.LOST, worker={"job": "12_3"})])
    (found,) = grouped([lost], PATH, URL, command="again", states={"12_3": "OUT_OF_MEMORY"})
    assert (found.cause, "memory_gb" in found.mend) == ("out of memory", True)
