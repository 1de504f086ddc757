"""Tables as arrays: where they come from, what is a class, what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from framework.data.tabular import TableConfig, load_table
from framework.data.tabular.config import SHIPPED
from framework.errors import ConfigError, DataUnavailable, InvalidInput

ROWS = {"iris": 150, "wine": 178, "breast_cancer": 569, "diabetes": 442, "digits": 1797}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_what_scikit_learn_has(name):
    data = load_table(TableConfig(name=name), 3)
    bunch = getattr(datasets, f"load_{name}")()
    rows = np.concatenate([part.rows for part in data.parts.values()])
    assert sorted(rows) == list(range(ROWS[name]))
    names = bunch.get("target_names", None)
    assert data.classes == (() if names is None else tuple(sorted(map(str, names))))
    for part in data.parts.values():
        truth = bunch.target[part.rows]
        if names is None:
            assert np.array_equal(part.y, truth)
        else:
            assert [data.classes[y] for y in part.y] == [str(names[y]) for y in truth]
    whole = bunch.data[:, np.ptp(bunch.data, axis=0) > 0]
    train = whole[data.train.rows]
    spread = np.where(train.std(axis=0) > 0, train.std(axis=0), 1)
    assert np.allclose(data.test.x, (whole[data.test.rows] - train.mean(axis=0)) / spread, atol=1e-9)


def test_splits_are_by_class_and_of_the_shares_that_were_asked_for():
    data = load_table(TableConfig(name="wine"), 0)
    assert [len(part) for part in data.parts.values()] == [114, 28, 36]  # 0.2 of 178; of the 142 left 0.2
    for part in data.parts.values():
        share = np.bincount(part.y) / len(part)
        assert np.abs(share - np.array([59, 71, 48]) / 178).max() < 0.03


def test_equal_seeds_give_equal_splits_and_others_do_not():
    config = TableConfig(name="diabetes")
    first, again, other = (load_table(config, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.test.rows, other.test.rows)


def made(tmp_path, frame, **changes):
    path = tmp_path / "table.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    return TableConfig(**{"name": str(path), "target": "y"} | changes)


def told(config):
    with pytest.raises(InvalidInput) as caught:
        load_table(config, 0)
    return {problem.key: problem.message for problem in caught.value.problems}


MIXED = {
    "height": [1.0, 2.0, None, 4.0] * 10,
    "is_warm": [True, False] * 20,
    "colour": ["red", "blue", None, "blue"] * 10,
    "y": ["a", "b"] * 20,
}


def test_missing_values_and_words_become_features_by_what_train_has(tmp_path):
    data = load_table(made(tmp_path, MIXED), 0)
    assert data.features == ("height", "is_warm", "colour_(missing)", "colour_blue", "colour_red")
    frame = pd.DataFrame(MIXED)
    train = frame.iloc[data.train.rows]
    height = frame["height"].fillna(train["height"].median())
    scaled = (height - height[train.index].mean()) / height[train.index].std(ddof=0)
    assert np.allclose(data.test.x[:, 0], scaled.iloc[data.test.rows])
    words = frame["colour"].fillna("(missing)").iloc[data.test.rows]
    for column, word in enumerate(("(missing)", "blue", "red"), start=2):
        assert data.test.x[:, column].tolist() == (words == word).astype(float).tolist()


def test_features_do_not_depend_on_what_test_holds(tmp_path):
    """Whatever stands in the rows of val and test, the features of train are the same."""
    config = made(tmp_path, MIXED)
    before = load_table(config, 0)
    frame = pd.DataFrame(MIXED)
    outside = np.concatenate([before.val.rows, before.test.rows])
    frame.loc[outside, "height"] = 1e6
    frame.loc[outside, "colour"] = "green"
    after = load_table(made(tmp_path, frame), 0)
    assert np.array_equal(after.train.x, before.train.x)
    assert after.test.x[:, 2:].sum() == 0, "train has no green"


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1, 2, 3] * 6, "classification"),
        (list(range(24)), "regression"),
        ([0.5, 1.5] * 12, "regression"),
        ([True, False] * 12, "classification"),
        (["x", "y"] * 12, "classification"),
    ],
)
def test_the_type_of_the_target_says_what_is_predicted(tmp_path, values, task):
    frame = {"x": np.arange(24.0), "y": values}
    assert load_table(made(tmp_path, frame), 0).task == task
    if task == "classification" and not isinstance(values[0], str):
        assert load_table(made(tmp_path, frame, task="regression"), 0).task == "regression"


def test_parquet_is_read_as_csv_is(tmp_path):
    config = made(tmp_path, MIXED)
    pd.read_csv(config.name).to_parquet(tmp_path / "table.parquet")
    other = TableConfig(name=str(tmp_path / "table.parquet"), target="y")
    first, second = load_table(config, 0), load_table(other, 0)
    assert np.array_equal(first.train.x, second.train.x)
    assert first.digest != second.digest


def test_everything_that_is_wrong_is_told_together(tmp_path):
    frame = {
        "same": [1] * 12,
        "empty": [None] * 12,
        "endless": [np.inf, -1e101, *range(10)],
        "y": ["a"] * 5 + ["b"] * 5 + ["rare"] + [None],
    }
    problems = told(made(tmp_path, frame, leave_out=["nothing"]))
    assert set(problems) == {"same", "empty", "endless", "target y", "leave_out"}
    assert "1 in every row" in problems["same"]
    assert "missing in every row" in problems["empty"]
    assert "infinite or beyond ±1e+100 in 2 rows" in problems["endless"]
    assert "rare (1)" in problems["target y"]


def test_a_target_that_is_absent_is_told_with_the_one_that_is_meant(tmp_path):
    problems = told(made(tmp_path, {"height": [1, 2, 3, 4], "width": [4, 3, 2, 1]}, target="heigth"))
    assert "`height`" in problems["target"]


def test_words_are_no_numbers(tmp_path):
    problems = told(made(tmp_path, {"x": range(8), "y": ["one", "two"] * 4}, task="regression"))
    assert "is no number" in problems["target y"]
    assert "'one', 'two'" in problems["target y"]


def test_an_empty_table_and_one_without_features_are_refused(tmp_path):
    assert "0 rows" in told(made(tmp_path, {"x": [], "y": []}))[""]
    assert "no column beside the target" in told(made(tmp_path, {"y": [1, 2, 3, 4]}, task="regression"))[""]
    assert "same in every row" in told(made(tmp_path, {"x": range(5), "y": [1] * 5}))["target y"]


def test_columns_of_other_types_are_refused(tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2020", periods=9), "x": range(9), "y": ["a", "b", "c"] * 3})
    frame.to_parquet(tmp_path / "t.parquet")
    config = TableConfig(name=str(tmp_path / "t.parquet"), target="y")
    assert "datetime64" in told(config)["when"]
    kept = config.model_copy(update={"leave_out": ("when",)})
    assert load_table(kept, 0).features == ("x",)


def test_files_that_are_no_tables_are_told(tmp_path):
    with pytest.raises(DataUnavailable, match="no table"):
        load_table(TableConfig(name=str(tmp_path / "none.csv"), target="y"), 0)
    (tmp_path / "empty.csv").write_text("")
    assert "cannot be read as csv" in told(TableConfig(name=str(tmp_path / "empty.csv"), target="y"))[""]
    (tmp_path / "no.parquet").write_text("x,y\n1,2\n")
    assert "cannot be read as parquet" in told(TableConfig(name=str(tmp_path / "no.parquet"), target="y"))[""]
    (tmp_path / "latin.csv").write_bytes("x,y\né,1\n".encode("latin-1"))
    assert "cannot be read as csv" in told(TableConfig(name=str(tmp_path / "latin.csv"), target="y"))[""]
    (tmp_path / "ragged.csv").write_text("x,y\n1,2\n3,4,5\n")
    ragged = told(TableConfig(name=str(tmp_path / "ragged.csv"), target="y"))[""]
    assert ragged.endswith("Expected 2 fields in line 3, saw 3")
    (tmp_path / "twice.csv").write_text("x,x,y\n1,2,3\n")
    assert "several columns" in told(TableConfig(name=str(tmp_path / "twice.csv"), target="y"))["x"]


def test_a_name_that_nothing_has_is_told_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="`iris`"):
        load_table(TableConfig(name="irsi"), 0)


def test_a_file_without_a_target_is_no_config():
    with pytest.raises(ConfigError, match="target"):
        TableConfig.parse({"name": "some.csv"})
    with pytest.raises(ConfigError, match="which is the target"):
        TableConfig.parse({"name": "some.csv", "target": "y", "leave_out": ["y"]})
