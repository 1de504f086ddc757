"""Figures of runs that are of no experiment."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from framework.report.plain import MOST_ROWS, figures_of


def frame(lrs=(0.01, 0.1, 1.0), seeds=4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"opt.kind": kind, "lr": lr, "flag": True, "loss": lr + (kind == "sgd") + rng.normal(0, 0.01)}
        for kind in ("adam", "sgd") for lr in lrs for _ in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("maximize", [False, True])
def test_groups_are_ranked_with_students_interval(maximize: bool) -> None:
    runs = frame()
    (panel,) = figures_of(runs, ["opt.kind", "lr"], "loss", maximize=maximize)["ranking"]().axes
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names[0] == ("kind=sgd, lr=1.0" if maximize else "kind=adam, lr=0.01")
    own = runs[(runs["opt.kind"] == "adam") & (runs["lr"] == 0.01)]["loss"]
    wanted = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
    drawn = [line.get_xdata() for line in panel.lines if line.get_linewidth() == 1.8]
    assert list(drawn[names.index("kind=adam, lr=0.01")]) == pytest.approx(wanted)


def test_numbers_have_a_panel_each_with_the_means() -> None:
    runs = frame()
    (panel,) = figures_of(runs, ["opt.kind", "lr", "flag"], "loss", maximize=False)["by_factor"]().axes
    assert panel.get_xscale() == "log"
    assert list(panel.lines[1].get_ydata()) == pytest.approx(list(runs.groupby("lr")["loss"].mean()))


def test_what_cannot_be_drawn_is_not() -> None:
    runs = frame()
    assert figures_of(runs, [], "loss", maximize=False) == {}
    assert figures_of(runs.assign(loss=np.nan), ["lr"], "loss", maximize=False) == {}
    assert set(figures_of(runs, ["opt.kind"], "loss", maximize=False)) == {"ranking"}
    assert set(figures_of(runs.assign(loss=[np.inf, *runs["loss"][1:]]), ["lr"], "loss", maximize=False)) == {
        "ranking", "by_factor",
    }  # fmt: skip


def test_of_many_groups_the_best_are_shown() -> None:
    runs = frame(lrs=tuple(range(1, 31)), seeds=1)
    (panel,) = figures_of(runs, ["opt.kind", "lr"], "loss", maximize=False)["ranking"]().axes
    assert len(panel.get_yticklabels()) == MOST_ROWS
    assert panel.get_title() == f"the best {MOST_ROWS} of 60 groups"
