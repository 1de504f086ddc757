"""Errors inside and outside, against sklearn and by hand."""

import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from torch import nn

from framework.multitask.data.config import FunctionData
from framework.multitask.data.samples import samples_of
from framework.multitask.evaluation.predictions import predictions_of
from framework.multitask.evaluation.scores import ALL, measured, regions, scores_of

SAMPLES = samples_of(FunctionData(num_test=40, num_val=40), 0)


class Zero(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 7)


def scores() -> pd.DataFrame:
    return pd.DataFrame(scores_of(dict.fromkeys(SAMPLES, Zero()), SAMPLES))


def test_numbers_are_sklearns():
    torch.manual_seed(0)
    predicted, true = torch.randn(30), torch.randn(30)
    found = measured(predicted, true)
    given = true.tolist(), predicted.tolist()
    assert found["mse"] == pytest.approx(mean_squared_error(*given))
    assert found["mae"] == pytest.approx(mean_absolute_error(*given))
    assert found["r2"] == pytest.approx(r2_score(*given))


def test_a_constant_has_no_r2():
    assert pd.isna(measured(torch.zeros(3), torch.ones(3))["r2"])


def test_a_task_is_outside_where_it_was_not_trained():
    task = SAMPLES["task_0"]
    found = regions(task, task.test.x)
    assert {name: int(chosen.sum()) for name, chosen in found.items()} == {"all": 40, "inside": 20, "outside": 20}
    assert float(task.test.x[found["outside"]].min()) > 0
    assert regions(SAMPLES["task_1"], task.test.x).keys() == {"all", "inside"}


def test_every_output_has_its_rows_and_their_mean():
    frame = scores()
    chosen = frame[(frame["task"] == "task_1") & (frame["split"] == "test") & (frame["metric"] == "mse")]
    assert set(chosen["region"]) == {"all", "inside"}
    by_output = chosen[chosen["region"] == "all"].set_index("output")["value"]
    assert list(by_output.index) == [ALL, 1, 2, 3, 4, 5, 6]
    assert by_output[ALL] == pytest.approx(by_output.drop(ALL).mean())
    assert by_output[3] == pytest.approx(1.0), "the sign is 1 or -1"


def test_inside_and_outside_make_up_the_whole():
    frame = scores()
    own = frame[(frame["task"] == "task_0") & (frame["split"] == "test") & (frame["metric"] == "mse")]
    parts = own[own["output"] == 0].set_index("region")["value"]
    assert parts["all"] == pytest.approx((parts["inside"] + parts["outside"]) / 2)


def test_predictions_are_a_row_a_point_and_output():
    frame = predictions_of(dict.fromkeys(SAMPLES, Zero()), SAMPLES, 10)
    assert list(frame) == ["x", "task", "output", "truth", "prediction", "inside"]
    assert len(frame) == 10 * 7
    assert set(frame["prediction"]) == {0.0}
    own = frame[frame["task"] == "task_0"]
    assert (own["inside"] == (own["x"] <= 0)).all()
    assert float(own["x"].max()) == pytest.approx(float(SAMPLES["task_0"].test.x.max()))
