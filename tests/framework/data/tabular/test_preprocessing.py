"""What `preprocess` writes: equal bytes for equal input, read back as it was drawn, and never written over."""

import hashlib
import tomllib

import numpy as np
import pandas as pd
import pytest

from framework.data.tabular import TableConfig, load_table, preprocess
from framework.errors import ConfigError, DataUnavailable, InvalidInput


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    return tmp_path / "datasets"


def contents(place):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(place.iterdir())}


def info_of(place):
    return tomllib.loads((place / "info.toml").read_text())


def test_two_files_and_what_they_are(folder):
    found = preprocess("iris", separate_sets=True, seed=4)
    assert found.folder == folder / "iris-split"
    assert not found.was_there
    info = info_of(found.folder)
    train, test = (pd.read_parquet(found.folder / f"{name}.parquet") for name in ("train", "test"))
    assert (
        dict(found.rows) == info["rows"] == {"train": 120, "test": 30} == {"train": len(train), "test": len(test)}
    )
    assert train["target"].value_counts().to_dict() == {"setosa": 40, "versicolor": 40, "virginica": 40}
    files = contents(found.folder)
    assert info["files"] == {name: files[name] for name in ("train.parquet", "test.parquet")}
    assert (info["split"], info["seed"], info["stratified"], info["target"]) == (0.8, 4, True, "target")
    assert info["classes"] == ["setosa", "versicolor", "virginica"]
    assert info["columns"]["sepal length (cm)"] == "float64"
    assert info["command"] == "sashiko preprocess tabular --data iris --split 0.8 --separate-sets --seed 4"
    assert set(info["versions"]) == {"numpy", "pandas", "pyarrow", "scikit-learn"}


def test_one_file_has_the_column_split_and_the_same_rows(folder):
    apart = preprocess("wine", separate_sets=True, name="apart").folder
    whole = preprocess("wine", name="whole").folder
    frame = pd.read_parquet(whole / "data.parquet")
    for name in ("train", "test"):
        rows = frame[frame["split"] == name].drop(columns="split").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, pd.read_parquet(apart / f"{name}.parquet"))
    assert sorted(contents(whole)) == ["data.parquet", "info.toml"]


def test_equal_input_gives_equal_bytes_anywhere(tmp_path):
    first = preprocess("diabetes", seed=1, to=tmp_path / "a").folder
    second = preprocess("diabetes", seed=1, to=tmp_path / "b").folder
    third = preprocess("diabetes", seed=2, to=tmp_path / "c").folder
    assert contents(first) == contents(second)
    assert contents(first)["data.parquet"] != contents(third)["data.parquet"]
    assert info_of(first)["task"] == "regression"
    assert info_of(first)["stratified"] is False


def test_what_was_written_is_not_written_over_unless_it_is_said(folder):
    place = preprocess("iris", seed=1).folder
    before = contents(place)
    assert preprocess("iris", seed=1).was_there
    with pytest.raises(InvalidInput, match="--force"):
        preprocess("iris", seed=2)
    assert contents(place) == before
    (place / "notes.txt").write_text("mine")
    assert not preprocess("iris", seed=2, separate_sets=True, force=True).was_there
    assert sorted(contents(place)) == ["info.toml", "notes.txt", "test.parquet", "train.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == ["iris-split"], "nothing is left beside it"


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_a_run_keeps_the_written_test_split(name, separate):
    preprocess(name, separate_sets=separate, seed=5, name="mine")
    drawn = load_table(TableConfig(name=name), 5)
    for seed in (5, 6):
        found = load_table(TableConfig(name="mine"), seed)
        assert sorted(found.test.y) == sorted(drawn.test.y)
        assert len(found.train) == len(drawn.train)
        assert found.classes == drawn.classes
        rows = np.concatenate([part.rows for part in found.parts.values()])
        assert sorted(rows) == list(range(len(rows)))
    other = load_table(TableConfig(name="mine"), 7)
    assert np.array_equal(other.test.rows, found.test.rows)
    assert not np.array_equal(other.val.rows, found.val.rows)


@pytest.mark.parametrize("split", [0.6, 0.7, 0.75, 0.8, 0.9])
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_the_test_split_is_the_one_that_a_run_would_draw(name, split):
    place = preprocess(name, split=split, separate_sets=True, seed=3).folder
    drawn = load_table(TableConfig(name=name, test_fraction=round(1 - split, 2)), 3)
    written = pd.read_parquet(place / "test.parquet")["target"].astype(object).tolist()
    expected = [drawn.classes[int(y)] if drawn.classes else y for y in drawn.test.y]
    assert written == expected


def test_a_file_that_was_changed_since_is_refused():
    place = preprocess("iris", separate_sets=True).folder
    config = TableConfig(name="iris-split")
    test = place / "test.parquet"
    pd.read_parquet(test).iloc[1:].to_parquet(test, index=False)
    with pytest.raises(InvalidInput, match=r"test\.parquet: .*changed since.*--force"):
        load_table(config, 0)
    test.unlink()
    with pytest.raises(DataUnavailable, match=r"lacks test\.parquet"):
        load_table(config, 0)


def test_an_info_of_another_version_is_refused():
    place = preprocess("iris").folder
    text = (place / "info.toml").read_text()
    for changed, told in [
        (text.replace("format = 1", "format = 2"), "format"),
        ("x = [", "cannot be read"),
        ("format = 1\n", "target"),
    ]:
        (place / "info.toml").write_text(changed)
        with pytest.raises(InvalidInput, match=told):
            load_table(TableConfig(name="iris-split"), 0)


def test_all_that_is_wrong_with_the_options_is_told_together():
    with pytest.raises(InvalidInput) as caught:
        preprocess("irsi", split=1.2, name="wine")
    assert [problem.key for problem in caught.value.problems] == ["--data", "--split", "--name"]


def test_what_does_not_fit_the_table_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="--stratify"):
        preprocess("diabetes", stratify=True)
    with pytest.raises((InvalidInput, ConfigError), match="target"):
        preprocess(str(tmp_path / "table.csv"))
    path = tmp_path / "table.csv"
    pd.DataFrame({"split": range(9), "y": ["a", "b", "c"] * 3}).to_csv(path, index=False)
    with pytest.raises(InvalidInput, match="--separate-sets"):
        preprocess(str(path), target="y")
    assert preprocess(str(path), target="y", separate_sets=True).folder.name == "table"


def test_without_classes_rows_are_drawn_from_the_whole():
    rows = preprocess("iris", stratify=False, separate_sets=True).folder
    assert info_of(rows)["stratified"] is False
    assert "--no-stratify" in info_of(rows)["command"]


def test_columns_can_be_left_out(tmp_path):
    source = tmp_path / "own.csv"
    days = "".join(f"{number},same,{number % 3},{'ab'[number % 2]}\n" for number in range(30))
    source.write_text(f"id,constant,x,kind\n{days}")
    with pytest.raises(InvalidInput, match=r"constant: .*--leave-out"):
        preprocess(str(source), target="kind", to=tmp_path)
    made = preprocess(str(source), target="kind", to=tmp_path, leave_out=["constant", "id"])
    assert set(pd.read_parquet(made.folder / "data.parquet")) == {"x", "kind", "split"}
    told = tomllib.loads((made.folder / "info.toml").read_text())
    assert "--leave-out constant --leave-out id" in told["command"]
    assert set(told["columns"]) == {"x", "kind"}
    with pytest.raises(InvalidInput, match="leave_out: names nothing, which is no column"):
        preprocess(str(source), target="kind", to=tmp_path, leave_out=["nothing"])


def test_a_wide_table_is_written_without_a_warning(tmp_path):
    numbers = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{column}": numbers.normal(size=20) for column in range(1_000)})
    frame["y"] = [0, 1] * 10
    frame.to_csv(tmp_path / "wide.csv", index=False)
    made = preprocess(str(tmp_path / "wide.csv"), target="y", to=tmp_path)
    whole = pd.read_parquet(made.folder / "data.parquet")
    assert whole["split"].value_counts().to_dict() == dict(made.rows)
