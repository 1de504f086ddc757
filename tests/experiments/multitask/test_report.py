"""The report over made-up runs whose numbers are known."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.multitask.config import MultitaskConfig
from experiments.multitask.report import report
from experiments.multitask.summary import best_rates
from framework.errors import SashikoError
from framework.tracking.results import factors_of

rng = np.random.default_rng(0)


def made(configs, scores, tables=None):
    """Runs of these configs, each with the scores that a function gives for it."""
    rows = [
        {"run_id": f"run{number}", "state": "finished", **factors_of(config), **scores(config)}
        for number, config in enumerate(configs)
    ]
    frame = pd.DataFrame(rows)
    names = [name for name in frame if not str(name).startswith(("test/", "run_id", "state"))]
    factors = [name for name in names if frame[name].map(repr).nunique() > 1]
    return SimpleNamespace(runs=frame, tables=tables or {}, factors=factors, config=MultitaskConfig)


def companies(seeds: int = 5):
    kinds = [(["task_0"], "sum"), (None, "sum"), (None, "pcgrad")]
    return [
        MultitaskConfig.parse({"learn": learn, "training": {"balancing": kind}, "seed": seed})
        for (learn, kind), seed in itertools.product(kinds, range(seeds))
    ]


NOISE = {seed: float(rng.normal(0, 0.2)) for seed in range(5)}


def errors(config):
    """Alone e^s; together half of that, with noise of its own for each seed; inside all alike."""
    seed = config.seed
    outside = math.exp(0.1 * seed)
    if config.learn is None:
        outside *= 0.5 * math.exp(NOISE[seed])
    found = {
        "test/mse_task_0_outside": outside,
        "test/mse_task_0_inside": 0.1,
        "test/r2_task_0_outside": 1 - outside,
    }
    return found if config.learn else {**found, "test/mse_task_1_inside": 0.2}


def test_effects_are_ratios_over_seeds_with_intervals_of_t():
    found = report(made(companies(), errors))
    effects = found.more["effects"]
    assert len(effects) == 4, "two regions, two ways of balancing"
    row = effects[(effects["region"] == "outside") & (effects["balancing"] == "pcgrad")].to_dict("records")[0]
    logs = np.array([math.log(0.5) + NOISE[seed] for seed in range(5)])
    interval = stats.t.interval(0.95, 4, loc=logs.mean(), scale=logs.std(ddof=1) / math.sqrt(5))
    assert row["ratio"] == pytest.approx(math.exp(logs.mean()))
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.exp(interval)))
    assert row["n"] == 5
    assert row["better"] == int((logs < 0).sum())
    assert row["alone"] == pytest.approx(math.exp(0.2))
    inside = effects[effects["region"] == "inside"].to_dict("records")[0]
    assert inside["ratio"] == pytest.approx(1.0)


def test_the_answer_is_told_first_and_fits():
    found = report(made(companies(), errors))
    assert found.answer is not None
    answer = found.answer()
    lines = answer.table.to_string(index=False).splitlines() + list(answer.caption)
    assert len(lines) <= answer.LINES
    assert max(map(len, lines)) <= answer.COLUMNS + 8
    assert any("of 5" in line for line in lines)


def test_means_are_over_seeds():
    found = report(made(companies(), errors))
    row = found.table[(found.table["learn"] == "all") & (found.table["balancing"] == "sum")].to_dict("records")[0]
    assert row["n"] == 5
    assert row["test/mse_task_1_inside_mean"] == pytest.approx(0.2)
    alone = found.table[found.table["learn"] != "all"].to_dict("records")[0]
    assert math.isnan(alone["test/mse_task_1_inside_mean"])


def scaling():
    """The best rate of standard falls with the width, that of mup stays; one seed diverges at the largest rate."""
    configs = [
        MultitaskConfig.parse(
            {"network": {"kind": "abc_mlp", "parametrisation": kind, "width": width},
             "training": {"learning_rate": rate}, "seed": seed}
        )
        for kind, width, rate, seed in itertools.product(
            ("standard", "mup"), (64, 256), (0.001, 0.002, 0.004, 0.008), (0, 1)
        )
    ]  # fmt: skip

    def scores(config):
        best = {"standard": 0.064 / config.network.width * 4, "mup": 0.002}[config.network.parametrisation]
        error = 0.1 + math.log(config.training.learning_rate / best) ** 2
        diverged = config.training.learning_rate == 0.008 and config.seed == 1
        value = float("nan") if diverged else error
        return {"test/mse_task_0_inside": value, "test/mse_task_1_inside": value, "test/r2_task_0_inside": 0.5}

    return made(configs, scores)


def test_the_best_rate_is_found_and_its_way_counted_in_notches():
    best = report(scaling()).more["best_rates"].set_index(["parametrisation", "width"])
    assert best.loc[("mup", 64), "rate"] == best.loc[("mup", 256), "rate"] == 0.002
    assert best.loc[("mup", 256), "notches"] == pytest.approx(0)
    assert best.loc[("standard", 64), "rate"] == pytest.approx(0.004)
    assert best.loc[("standard", 256), "rate"] == pytest.approx(0.001)
    assert best.loc[("standard", 256), "notches"] == pytest.approx(-2)
    assert set(best["n"]) == {2}


def test_a_larger_rate_has_to_be_better_by_more_than_a_standard_error():
    """At 0.004 the mean is least, and its standard error (0.02) takes in that at 0.002, not at 0.001."""
    errors_by_rate = {0.001: (0.14, 0.14), 0.002: (0.115, 0.115), 0.004: (0.08, 0.12), 0.008: (0.3, 0.3)}
    rows = [
        {"width": width, "rate": rate, "seed": seed, "error": errors_by_rate[rate][seed]}
        for width in (64, 256)
        for rate in errors_by_rate
        for seed in (0, 1)
    ]
    best = best_rates(pd.DataFrame(rows), ["width", "rate"], "error")
    assert best["rate"].tolist() == [0.002, 0.002]
    assert best["error"].tolist() == pytest.approx([0.115, 0.115])
    assert best["rate_of_least"].tolist() == [0.004, 0.004]


def test_figures_can_be_drawn(tmp_path):
    for results in (made(companies(), errors), scaling()):
        paths = report(results).save(tmp_path, ("png",))
        assert any(path.suffix == ".png" and path.stat().st_size > 5000 for path in paths)


def test_nothing_to_report_is_told():
    empty = SimpleNamespace(runs=pd.DataFrame(), tables={}, factors=[], config=MultitaskConfig)
    with pytest.raises(SashikoError, match="no finished run"):
        report(empty)
