"""The files in sweeps/ are what the grids say, and every config field tells what it means."""

from pathlib import Path

import pytest

from experiments import EXPERIMENTS, manager_of
from experiments.sweep_files import text_of
from framework.fields import leaf_fields
from framework.plan import plan

SWEEPS = Path(__file__).parent.parent / "sweeps"
GRIDS = [(experiment, name) for experiment in EXPERIMENTS for name in manager_of(experiment).grids]


@pytest.mark.parametrize(("experiment", "name"), GRIDS)
def test_files_are_written_from_the_grids(experiment: str, name: str):
    grid = manager_of(experiment).grids[name]
    written = (SWEEPS / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == text_of(name, experiment, grid), "run: make sweeps"
    assert plan(manager_of(experiment).config, grid.definition(name, experiment))


def test_no_sweep_file_is_without_a_grid():
    assert sorted(path.stem for path in SWEEPS.glob("*.yaml")) == sorted(name for _, name in GRIDS)


@pytest.mark.parametrize("experiment", sorted(EXPERIMENTS))
def test_every_field_has_a_description(experiment: str):
    missing = [name for name, info in leaf_fields(manager_of(experiment).config) if not info.description]
    assert not missing
