"""Sweep files: a file that is there is read, and where none is, the grid of its name is meant."""

from pathlib import Path

import pytest

import experiments
from experiments import EXPERIMENTS, manager_of, sweep_files
from experiments.__main__ import main, prepare
from framework.definition import read_file
from framework.errors import DefinitionError

ROOT = Path(__file__).parents[2]
NAMES = [name for experiment in EXPERIMENTS for name in manager_of(experiment).grids]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without sweep files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_grid_says_what_its_file_says(name: str, capsys: pytest.CaptureFixture[str]):
    path = Path("sweeps") / f"{name}.yaml"
    found = sweep_files.read(path)
    assert found.data == read_file(ROOT / path).data
    assert found.where == str(path)
    assert f"there is no {path} here" in capsys.readouterr().err


def test_a_file_that_is_there_is_the_one_that_is_meant(elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    (elsewhere / "sweeps").mkdir()
    text = "method: grid\ncommand: [python, -m, experiments, tabular]\nparameters: {seed: {values: [1]}}\n"
    (elsewhere / "sweeps" / "tabular.yaml").write_text(text)
    assert sweep_files.read(Path("sweeps/tabular.yaml")).data["parameters"] == {"seed": {"values": [1]}}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "place", ["tabular.yaml", "other/tabular.yaml", "sweeps/tabular.yml", "sweeps/in/tabular.yaml"]
)
def test_elsewhere_a_file_has_to_be_there(place: str):
    with pytest.raises(DefinitionError, match="cannot be read"):
        sweep_files.read(Path(place))


def test_a_name_that_no_grid_has_is_told_with_the_nearest():
    with pytest.raises(DefinitionError, match=r"nor a grid `tabuler`; did you mean `tabular`\?"):
        sweep_files.read(Path("sweeps/tabuler.yaml"))


def test_an_experiment_that_somebody_edits_hides_no_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(experiments.EXPERIMENTS, "broken", "experiments.no.such:Manager")
    assert sorted(sweep_files.names()) == sorted(NAMES)


def test_a_point_of_a_grid_without_a_file():
    task = prepare(["tabular", "--sweep", "sweeps/tabular.yaml", "--index", "3"])
    assert task is not None
    assert task.point is not None
    assert task.point.index == 3


def test_all_are_written_into_a_folder_that_need_not_be_there(elsewhere: Path):
    assert main(["--write-sweeps", "new/sweeps"]) == 0
    written = {path.name: path.read_text() for path in (elsewhere / "new" / "sweeps").iterdir()}
    assert written == {path.name: path.read_text() for path in (ROOT / "sweeps").iterdir()}
