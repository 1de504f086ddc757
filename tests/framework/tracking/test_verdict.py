"""Verdicts over two runs' metrics: identical, within tolerance, different, not comparable."""

import math

import pytest

from framework.tracking.verdict import Tolerance, Verdict, lines_of, whole

ALLOWED = Tolerance(relative=1e-5, absolute=1e-8)
IDENTICAL, WITHIN, DIFFERENT, INCOMPARABLE = Verdict


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (0.1, 0.1, IDENTICAL),
        (0.1, math.nextafter(0.1, 1), WITHIN),
        (1.0, 1.0 + 0.99e-5, WITHIN),
        (1.0, 1.0 + 1.02e-5, DIFFERENT),
        (0.0, 0.9e-8, WITHIN),
        (0.0, 1.1e-8, DIFFERENT),
        (math.nan, math.nan, IDENTICAL),
        (math.nan, 1.0, DIFFERENT),
        (math.inf, math.inf, IDENTICAL),
        (math.inf, -math.inf, DIFFERENT),
        (1.0, math.inf, DIFFERENT),
        (True, True, IDENTICAL),
    ],
)
def test_one_metric(before: float, now: float, verdict: Verdict):
    (line,) = lines_of({"x": before}, {"x": now}, ALLOWED)
    (other,) = lines_of({"x": now}, {"x": before}, ALLOWED)
    assert line.verdict == other.verdict == verdict


def test_the_whole_is_as_bad_as_its_worst_metric():
    lines = lines_of({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.000001}, ALLOWED)
    assert whole(lines) == WITHIN
    assert whole([*lines, *lines_of({"c": 1.0}, {"c": 2.0}, ALLOWED)]) == DIFFERENT


def test_a_metric_of_one_run_alone_is_a_difference():
    lines = lines_of({"a": 1.0, "gone": 2.0}, {"a": 1.0, "new": 3.0}, ALLOWED)
    assert {line.name: (line.verdict, line.difference) for line in lines} == {
        "a": (IDENTICAL, 0.0), "gone": (DIFFERENT, None), "new": (DIFFERENT, None)
    }  # fmt: skip


def test_what_is_measured_is_not_compared_and_nothing_in_common_is_not_comparable():
    assert lines_of({"time/epoch_s": 1.0, "memory/peak_mb": 5}, {"time/epoch_s": 2.0}, ALLOWED) == []
    assert whole([]) == INCOMPARABLE
    assert whole(lines_of({"a": 1.0}, {"b": 1.0}, ALLOWED)) == INCOMPARABLE


def test_exit_codes_are_0_to_3():
    assert [verdict.exit_code for verdict in Verdict] == [0, 1, 2, 3]
