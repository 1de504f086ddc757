"""What a command refuses of a sweep file before anything is made of it: what the server would refuse, and more."""

from pathlib import Path

import pytest

from experiments import manager_of
from framework.definition import read_file
from framework.errors import ConfigError, DefinitionError, InvalidInput, SashikoError
from launch import checking
from launch.cli import plan
from launch.server.search.definition import read_search

HEAD = 'name: mine\ncommand: ["${env}", python, -m, experiments, stitching]\n'
GRID = "method: grid\nparameters: {num_samples: {value: [50]}}\n"
RANDOM = "method: random\nrun_cap: 3\nparameters: {source: {value: {model: {kind: vae}}}}\n"
SPACE = "parameters: {sampling_seed: {distribution: int_uniform, min: 0, max: 9}}\n"
EARLY = "metric: {name: m, goal: minimize}\nearly_terminate: "

REFUSED = {
    "a goal that is none": GRID + "metric: {name: m, goal: maximum}",
    "a metric without a name": GRID + "metric: {goal: minimize}",
    "a metric that is a text": GRID + "metric: loss",
    "a target that is no number": GRID + "metric: {name: m, target: low}",
    "an unknown key of the metric": GRID + "metric: {name: m, gaol: minimize}",
    "early stopping of another kind": GRID + EARLY + "{type: envelope}",
    "early stopping without a number": GRID + EARLY + "{type: hyperband}",
    "early stopping without bands": GRID + EARLY + "{type: hyperband, max_iter: 9}",
    "early stopping with a text": GRID + EARLY + "{type: hyperband, min_iter: three}",
    "early stopping with a half": GRID + EARLY + "{type: hyperband, min_iter: 1.5}",
    "early stopping by a word": GRID + EARLY + "hyperband",
    "early stopping without a metric": GRID + "early_terminate: {type: hyperband, min_iter: 3}",
    "a cap of none": GRID + "run_cap: 0",
    "an unknown key beside an error": GRID + "runcap: 3\nrun_cap: 0",
    "a key twice": GRID + "name: other",
    "a key twice beside a merge": GRID.replace(
        "value: [50]", "<<: {distribution: constant}, value: [1], value: [2]"
    ),
    "another kind": GRID + "kind: controller",
    "a project that cannot be called so": GRID + "project: a/b",
    "an entity that cannot be called so": GRID + "entity: 'a:b'",
    "a name that is a list": GRID.replace("method", "description: [a]\nmethod"),
    "a date": "method: grid\nparameters: {num_samples: {values: [2024-01-01]}}",
    "a method that is none": GRID.replace("grid", "gird"),
    "no parameters": "method: grid\nparameters: {}",
    "a distribution in a grid": "method: grid\nparameters: {num_samples: {distribution: uniform, min: 0, max: 1}}",
    "too many points": "method: grid\nparameters: {"
    + ", ".join(f"{n}: {{min: 1, max: 999}}" for n in "abc")
    + "}",
    "a bayes without a metric": "method: bayes\n" + SPACE,
    "a bayes without an axis": "method: bayes\nmetric: {name: m}\nparameters: {sampling_seed: {value: 1}}",
    "a range upside down": "method: random\n" + SPACE.replace("max: 9", "max: -9"),
    "a range of text": "method: random\n" + SPACE.replace("max: 9", "max: nine"),
    "no YAML": GRID + "metric: {name",
}
TAKEN = {
    "a key of one's own": GRID + "x-base: &base {lr: 1}\nruncap: 3",
    "a schema key": GRID + "apiVersion: v1\nkind: sweep",
    "a target with an exponent": GRID + "metric: {name: m, target: 1e-3}",
    "hyperband": GRID + EARLY + "{type: hyperband, min_iter: 1e0, eta: 2e0, strict: true}",
    "a cap with an exponent": GRID + "run_cap: 1e3",
    "a random one": RANDOM,
    "a bayes": "method: bayes\nrun_cap: 3\nmetric: {name: m, goal: maximize}\n" + SPACE,
}


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(HEAD + text + "\n")
    return path


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_plan_refuses_what_the_server_refuses_in_the_same_words(text, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(DefinitionError) as server:
        read_search(path.read_text())
    for count in (False, True):
        with pytest.raises(SashikoError) as caught:
            plan(path, as_json=False, count=count)
        assert caught.value.exit_code == 2
        assert caught.value.problems == server.value.problems


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_a_plan_takes_what_the_server_takes(text, tmp_path, capsys):
    path = written(tmp_path, text)
    assert read_search(path.read_text()).definition.data == read_file(path).data
    plan(path, as_json=False, count=False)
    assert "of stitching" in capsys.readouterr().out


def fusion(folder: Path, parents: str, more: str = "") -> Path:
    path = folder / "fusion.yaml"
    path.write_text(
        "name: f\nmethod: grid\ncommand: [python, -m, experiments, fusion]\nparameters:\n  model: {value: mlp}\n"
        f"  parents: {{values: {parents}}}\n{more}"
    )
    return path


def test_points_are_planned_or_tried(tmp_path):
    manager = manager_of("stitching")
    assert len(checking.planned(read_file(written(tmp_path, GRID)), manager)) == 1
    assert checking.planned(read_file(written(tmp_path, RANDOM)), manager) == []
    wrong = RANDOM.replace("kind: vae", "kind: vea")
    with pytest.raises(ConfigError, match=r"source\.model\.kind: is 'vea'"):
        checking.planned(read_file(written(tmp_path, wrong)), manager)


def test_files_that_points_name_are_looked_at_once_for_all(tmp_path):
    pairs = '[["a.pt", "b.pt"], ["a.pt", "c.pt"]]'
    definition = read_file(fusion(tmp_path, pairs, "  inputs_seed: {values: [0, 1]}\n"))
    manager = manager_of("fusion")
    points = checking.planned(definition, manager)
    with pytest.raises(InvalidInput) as caught:
        checking.check(manager, points, "fusion.yaml")
    assert caught.value.exit_code == 2
    assert [str(problem) for problem in caught.value.problems] == [
        "parents: a.pt does not exist (point 0 and 3 more)",
        "parents: b.pt does not exist (point 0 and 1 more)",
        "parents: c.pt does not exist (point 1 and 1 more)",
    ]
    checking.check(manager_of("stitching"), [], "x")


def test_a_name_for_a_project():
    checking.check_name("")
    checking.check_name("digits of mine")
    with pytest.raises(ConfigError, match="--project: is 'a/b'; a name cannot hold '/'"):
        checking.check_name("a/b")
