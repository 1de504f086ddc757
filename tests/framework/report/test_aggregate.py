import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.report.aggregate import aggregate, readable, varying

FRAME = pd.DataFrame(
    {
        "n": [10, 10, 50, 50, 50],
        "kind": ["a", "a", "a", "b", "b"],
        "seed": [0, 1, 0, 0, 1],
        "mse": [1.0, 3.0, 5.0, 2.0, 4.0],
    }
).rename(columns={"n": "num_samples"})


def test_mean_std_and_n_of_a_hand_made_frame():
    table = aggregate(FRAME, ["num_samples", "kind"], ["mse"])
    assert table.columns.tolist() == ["num_samples", "kind", "mse_mean", "mse_std", "n"]
    assert table["mse_mean"].tolist() == [2.0, 5.0, 3.0]
    assert table["n"].tolist() == [2, 1, 2]
    assert table["mse_std"].tolist()[::2] == pytest.approx([np.sqrt(2), np.sqrt(2)])
    assert np.isnan(table["mse_std"][1])


def test_without_factors_there_is_one_row():
    table = aggregate(FRAME, [], ["mse"])
    assert table["mse_mean"].tolist() == [3.0]
    assert table["n"].tolist() == [5]


def test_a_missing_factor_is_a_value_of_its_own():
    table = aggregate(FRAME.assign(kind=["a", None, "a", None, None]), ["kind"], ["mse"])
    assert table["n"].tolist() == [2, 3]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1e3, 1e3)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_means_weighted_by_n_are_the_mean_of_all(pairs):
    frame = pd.DataFrame(pairs, columns=["kind", "x"])
    table = aggregate(frame, ["kind"], ["x"])
    assert table["n"].sum() == len(frame)
    assert (table["x_mean"] * table["n"]).sum() / len(frame) == pytest.approx(frame["x"].mean(), abs=1e-9)


def test_an_unknown_column_is_a_key_error():
    with pytest.raises(KeyError):
        aggregate(FRAME, ["ridge"], ["mse"])


def test_varying_keeps_the_order():
    assert varying(FRAME.assign(one=1), ["seed", "one", "kind"]) == ["seed", "kind"]


def test_readable_puts_mean_and_std_together():
    text = readable(aggregate(FRAME, ["num_samples", "kind"], ["mse"]))
    assert text.columns.tolist() == ["num_samples", "kind", "mse", "n"]
    assert text["mse"].tolist() == ["2 ± 1.4", "5", "3 ± 1.4"]
    assert readable(pd.DataFrame({"x_mean": [0.123456]}))["x_mean"].tolist() == ["0.1235"]
