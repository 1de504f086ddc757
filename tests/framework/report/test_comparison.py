"""Runs against each other: what is averaged, how sure it is, and what is refused."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from framework.errors import ConfigError
from framework.report.comparison import Comparison, Wish, compare
from framework.tracking.frames import RunsFrame


def runs(**columns: list[Any]) -> RunsFrame:
    count = len(next(iter(columns.values())))
    fields = [name for name in columns if not name.startswith("m_")]
    metrics = [name for name in columns if name.startswith("m_")]
    about = {"run_id": [f"r{i}" for i in range(count)], "state": columns.pop("state", ["finished"] * count)}
    fields = [name for name in fields if name != "state"]
    return RunsFrame(pd.DataFrame({**about, **columns}), tuple(fields), tuple(metrics))


LR, SEED = [0.1, 0.1, 0.1, 0.2, 0.2, 0.2], [0, 1, 2, 0, 1, 2]
LOSS = [1.0, 2.0, 4.0, 3.0, 3.5, 5.0]


def test_replicates_are_averaged_as_scipy_does() -> None:
    found = compare(runs(lr=LR, seed=SEED, m_loss=LOSS), Wish())
    assert (list(found.by), list(found.metrics), found.runs) == (["lr"], ["m_loss"], 6)
    for row, group in enumerate((LOSS[:3], LOSS[3:])):
        told = found.table.iloc[row]
        assert told["m_loss_mean"] == pytest.approx(np.mean(group))
        assert told["m_loss_std"] == pytest.approx(np.std(group, ddof=1))
        low, high = stats.t.interval(0.95, 2, loc=np.mean(group), scale=stats.sem(group))
        assert (told["m_loss_low"], told["m_loss_high"]) == (pytest.approx(low), pytest.approx(high))
        assert told["m_loss_n"] == 3


def test_equal_values_have_no_spread_and_a_single_one_none_that_is_known() -> None:
    table = compare(runs(lr=[1, 1, 1, 2], m_x=[0.8, 0.8, 0.8, 0.1]), Wish()).table
    assert table["m_x_mean"].tolist() == [0.8, 0.1]
    assert table["m_x_std"].tolist()[0] == 0.0
    assert math.isnan(table["m_x_std"].tolist()[1])
    assert math.isnan(table["m_x_low"].tolist()[1])


def test_missing_and_infinite_values() -> None:
    table = compare(runs(lr=[1, 1, 2, 2], m_x=[1.0, None, math.inf, 1.0]), Wish()).table
    assert table["m_x_n"].tolist() == [1, 2]
    assert table["m_x_mean"].tolist() == [1.0, math.inf]


def test_by_metric_where_and_sort() -> None:
    frame = runs(lr=LR, width=[8, 16, 8, 16, 8, 16], seed=SEED, m_loss=LOSS, m_acc=LOSS[::-1])
    found = compare(frame, Wish(by=("width",), metrics=("m_acc",), where=("seed<2", "lr!=0.5"), sort="-m_acc"))
    assert list(found.metrics) == ["m_acc"]
    assert found.table["m_acc_mean"].is_monotonic_decreasing
    assert (found.runs, found.table["m_acc_n"].sum()) == (4, 4)
    assert found.notes == ["averaged over lr, too: intervals take those runs for replicates"]


def test_what_follows_from_a_factor_is_not_averaged_over() -> None:
    name = ["a" if rate == LR[0] else "b" for rate in LR]
    frame = runs(lr=LR, name=name, width=[8, 16, 8, 16, 8, 16], double=[16, 32] * 3, m_loss=LOSS)
    found = compare(frame, Wish(by=("lr",), metrics=("m_loss",)))
    assert found.notes == ["averaged over width, too: intervals take those runs for replicates"]


def test_the_metric_of_the_sweep_comes_first_and_texts_are_none() -> None:
    found = compare(runs(lr=LR, m_a=LOSS, m_text=["x"] * 6, m_b=LOSS), Wish(), first="m_b")
    assert list(found.metrics) == ["m_b", "m_a"]


def test_only_finished_runs_count_unless_the_state_is_spoken_of() -> None:
    frame = runs(lr=LR, state=["finished"] * 4 + ["failed", "crashed"], m_loss=LOSS)
    found = compare(frame, Wish())
    assert found.runs == 4
    assert found.notes[0].startswith("not among them: 1 ")
    assert compare(frame, Wish(where=("state=failed",))).runs == 1


def test_seeds_are_found_by_name_or_told() -> None:
    frame = runs(fold=LR, m_loss=LOSS)
    assert list(compare(frame, Wish()).by) == ["fold"]
    assert list(compare(frame, Wish(), seeds=["fold"]).by) == []
    assert compare(frame, Wish(), seeds=["fold"]).table["m_loss_n"].tolist() == [6]
    assert list(compare(runs(random_state=SEED, data_seed=SEED, m_loss=LOSS), Wish()).by) == []


def test_levels_of_several_kinds_and_missing_ones_are_kept_apart() -> None:
    found = compare(runs(x=[None, 1, "1", [1, 2], [1, 2], 1.0], m_loss=LOSS), Wish())
    assert found.table["m_loss_n"].tolist() == [1, 2, 1, 2]


def test_everything_that_is_wrong_is_told_together() -> None:
    wish = Wish(by=("lrr",), metrics=("m_los", "run_id"), where=("nonsense", "lr >", "ll=1"), sort="zz")
    with pytest.raises(ConfigError) as caught:
        compare(runs(lr=LR, m_loss=LOSS), wish)
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["--by lrr", "--metric m_los", "--metric run_id", "--sort zz", "--where nonsense",
                    "--where lr >", "--where ll=1"]  # fmt: skip
    assert "did you mean `lr`" in str(caught.value)


@pytest.mark.parametrize(
    ("where", "left"),
    [("x>1", 2), ("x>=1", 3), ("x=1", 1), ("x!=1", 4), ("word~ga", 2), ("word=beta", 1), ("flag=true", 2),
     ("flag=True", 2), ("x<2.5", 2), ("word=", 0), ("x=2", 1), ("many=[1, 2]", 1),
     ("x<2e0", 1), ("x=35e-1", 1), ("x!=1e0", 4), ("x<inf", 3), ("word>beta", 3), ("word=beta|x", 2),
     ("word!=beta|x", 3), ("x=1|2", 2), ("word='ga|b'", 0), ('word="beta"', 1), ("word~gam|bet", 2)],
)  # fmt: skip
def test_conditions(where: str, left: int) -> None:
    frame = runs(
        x=[1, 2, 3.5, None, math.nan], word=["beta", "gamma", "gab", "x", None],
        flag=[True, False, True, None, None],
        many=[[1, 2], [3], None, None, None],
        m_loss=LOSS[:5],
    )  # fmt: skip
    assert compare(frame, Wish(by=("x",), where=(where,))).runs == left


@pytest.mark.parametrize(("where", "told"), [
    ("x<abc", "needs a number; x has numbers"), ("word>1", "is a number; word has texts, such as 'beta'"),
])  # fmt: skip
def test_bounds_of_another_kind_are_refused(where: str, told: str) -> None:
    frame = runs(x=[1, 2.5], word=["beta", "gamma"], m_loss=LOSS[:2])
    with pytest.raises(ConfigError, match=re.escape(told)):
        compare(frame, Wish(by=("x",), where=(where,)))


def readable(**columns: list[Any]) -> pd.DataFrame:
    return compare(runs(**columns), Wish()).readable()


def test_for_eyes() -> None:
    table = readable(lr=LR, seed=SEED, m_loss=LOSS)
    assert list(table.columns) == ["lr", "n", "m_loss", "m_loss 95 %"]
    assert table.iloc[0].tolist() == ["0.1", "3", "2.333 ± 1.5", "-1.461 … 6.128"]
    assert list(readable(lr=[1, 2], m_loss=[1.0, 2.0]).columns) == ["lr", "n", "m_loss"]
    apart = readable(lr=LR, m_loss=LOSS, m_acc=[1.0, None, 1.0, 2.0, 3.0, 4.0])
    assert list(apart.columns) == ["lr", "m_loss", "m_loss 95 %", "m_loss n", "m_acc", "m_acc 95 %", "m_acc n"]
    assert isinstance(compare(runs(lr=LR, m_loss=LOSS), Wish()), Comparison)
