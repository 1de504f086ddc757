"""One run of each kind: what is logged, that it is the same twice, and what is refused before it starts."""

import pandas as pd
import pytest

from experiments.tabular.config import TabularConfig
from experiments.tabular.grids import GRIDS
from experiments.tabular.manager import TabularManager
from framework.errors import InvalidInput, SashikoError
from framework.plan import plan
from framework.tabular.config import MODELS
from tests.experiments.compared import compared_by
from tests.framework.fakes import FakeRun


def config(**changes) -> TabularConfig:
    return TabularConfig.parse({"data": {"name": "iris"}, "model": "logistic_or_ridge", **changes})


def run_of(folder, own: TabularConfig) -> FakeRun:
    run = FakeRun(folder)
    TabularManager().run(own, run)
    return run


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
@pytest.mark.parametrize("kind", MODELS)
def test_two_runs_of_one_config_give_the_same_bits(tmp_path, name, kind):
    own = config(data={"name": name}, model=kind)
    first, again = run_of(tmp_path / "first", own), run_of(tmp_path / "again", own)
    timeless = [
        {key: value for key, value in run.summary.items() if "time" not in key and "memory" not in key}
        for run in (first, again)
    ]
    assert timeless[0] == timeless[1]
    pd.testing.assert_frame_equal(first.tables["predictions"], again.tables["predictions"], check_exact=True)
    assert ("model" in first.artifacts) == (kind in ("linear", "mlp"))
    assert bool(first.rows) == (kind in ("linear", "mlp"))


def test_every_score_is_that_of_the_predictions(tmp_path):
    run = run_of(tmp_path, config())
    rows = run.tables["predictions"]
    assert run.summary["test/accuracy"] == pytest.approx((rows["truth"] == rows["prediction"]).mean())
    assert len(rows) == run.summary["rows/test"] == 30
    assert compared_by("tabular") in run.summary
    assert {"train/accuracy", "val/accuracy", "test/macro_f1", "data_sha256"} <= set(run.summary)
    assert len(run.tables["classes"]) == 3 * 3


def test_a_model_is_better_than_the_dummy(tmp_path):
    dummy = run_of(tmp_path / "dummy", config(model="dummy"))
    assert dummy.summary["test/accuracy"] == pytest.approx(1 / 3)
    assert run_of(tmp_path / "other", config()).summary["test/accuracy"] > 0.8


def test_a_table_that_cannot_be_used_is_refused_before_anything_starts(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,a\n1,b\n")
    with pytest.raises(InvalidInput, match="in every row"):
        TabularManager().check(config(data={"name": str(path), "target": "y"}))
    with pytest.raises(SashikoError, match="there is no table"):
        TabularManager().check(config(data={"name": "none"}))
    with pytest.raises(InvalidInput, match="no column"):
        TabularManager().check(config(data={"name": "iris", "target": "colour"}))
    TabularManager().check(config())


def test_a_file_is_looked_at_again_when_it_has_changed(tmp_path):
    path = tmp_path / "table.csv"
    own = config(data={"name": str(path), "target": "y"})
    path.write_text("x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(12)))
    TabularManager().check(own)
    path.write_text("x,y\n" + "".join(f"1,{n % 2}\n" for n in range(12)) + "1,1\n")
    with pytest.raises(InvalidInput, match="in every row"):
        TabularManager().check(own)


def test_the_grids_are_plans():
    for name, grid in GRIDS.items():
        assert plan(TabularConfig, grid.definition(name, "tabular"))
