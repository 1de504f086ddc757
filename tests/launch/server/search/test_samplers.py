"""Drawing: the same seed the same point, every value as likely as it should be, and bayes better than chance."""

import math
import random
import subprocess
import sys
from typing import Any

import pytest

from framework.search.space import Space, read_space
from launch.server.search.samplers import STARTUP_TRIALS, Trial, draw, seed_of


def space_of(**parameters: Any) -> Space:
    problems: list[Any] = []
    space = read_space(parameters, problems)
    assert not problems
    return space


PLANE = space_of(x={"min": -5.0, "max": 5.0}, y={"min": -5.0, "max": 5.0})


def test_the_seed_decides_the_point():
    assert draw("random", PLANE, 1) == draw("random", PLANE, 1) != draw("random", PLANE, 2)
    seeds = {seed_of(sweep, index) for sweep in ("a", "b") for index in range(500)}
    assert len(seeds) == 1_000
    assert seed_of("abc", 7) == seed_of("abc", 7)


def test_random_points_are_uniform_on_each_axis():
    space = space_of(
        c={"values": list("abcd")}, i={"min": 1, "max": 5}, u={"min": 0.0, "max": 1.0}, v={"min": 0.0, "max": 1.0}
    )
    points = [space.point(draw("random", space, seed_of("s", index))) for index in range(1_500)]
    for key, count in (("c", 4), ("i", 5)):
        seen = [point[key] for point in points]
        expected = len(points) / count
        square = sum((seen.count(value) - expected) ** 2 / expected for value in set(seen))
        assert len(set(seen)) == count
        assert square < 18.5  # the 99.9 % point of chi squared with 4 degrees of freedom
    for key in "uv":
        values = sorted(point[key] for point in points)
        distance = max(abs(value - rank / len(values)) for rank, value in enumerate(values))
        assert distance < 0.05  # the 99.9 % point of Kolmogorov's distribution
    mean = sum((point["u"] - 0.5) * (point["v"] - 0.5) for point in points) / len(points)
    assert abs(12 * mean) < 0.1


def best_of(method: str, budget: int, seed: int) -> float:
    trials: list[Trial] = []
    for index in range(budget):
        coordinates = draw(method, PLANE, seed_of(str(seed), index), trials)
        x, y = coordinates
        trials.append(Trial(coordinates, "ended", (x - 1) ** 2 + (y + 2) ** 2))
    return min(trial.loss for trial in trials if trial.loss is not None)


def test_bayes_comes_closer_than_chance():
    """The median over seeds of the best of 50 points of a bowl; chance alone leaves 100 / (50 π) times log 2."""
    chance = sorted(best_of("random", 50, seed) for seed in range(7))[3]
    search = sorted(best_of("bayes", 50, seed) for seed in range(7))[3]
    assert 0.1 < chance < 2
    assert search < chance / 3


def test_bayes_keeps_away_from_failed_runs_and_runs_in_flight():
    generator = random.Random(1)
    places = [generator.uniform(-5, 5) for _ in range(40)]
    space = space_of(x={"min": -5.0, "max": 5.0})
    failing = [Trial([x], "ended", None if x < 0 else 1.0 + 0.01 * x) for x in places]
    drawn = [draw("bayes", space, seed, failing)[0] for seed in range(30)]
    assert sum(x < 0 for x in drawn) <= 5
    flat = [Trial([x], "ended", abs(x - 2)) for x in places]
    first = draw("bayes", space, 0, flat)[0]
    crowd = [*flat, *(Trial([first + 0.01 * k], "open") for k in range(-5, 6))]
    alone = [abs(draw("bayes", space, seed, flat)[0] - first) for seed in range(20)]
    crowded = [abs(draw("bayes", space, seed, crowd)[0] - first) for seed in range(20)]
    assert sum(crowded) > sum(alone)


def test_the_server_starts_without_optuna():
    code = "import sys, launch.server.app; print('optuna' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("state", ["open", "ended"])
def test_trials_without_values_and_of_another_shape_do_no_harm(state: Any):
    trials = [Trial([0.0, 0.0], state) for _ in range(STARTUP_TRIALS + 2)]
    coordinates = draw("bayes", PLANE, 3, [*trials, Trial([1.0], "ended", 0.0)])
    assert all(-5 <= value <= 5 and math.isfinite(value) for value in coordinates)
