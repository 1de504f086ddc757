"""One run from words: what is refused before it is started, all of it, and what is made of the words."""

from pathlib import Path
from typing import Annotated

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file

from experiments import EXPERIMENTS, manager_of
from experiments.__main__ import main, prepare
from framework.config import Seed
from framework.errors import ConfigError, GridError, InvalidInput, UnknownExperiment
from framework.fields import models_of
from framework.models.config import MLP
from framework.models.registry import build

SWEEPS = Path(__file__).parents[2] / "sweeps"
FILES = ["--model", "mlp", "--model.hidden", "12", "--curve_places", "0"]


def save(folder: Path, name: str, hidden: int = 12, seed: int = 0) -> str:
    torch.manual_seed(seed)
    state = build(MLP(hidden=(hidden,)), (1, 8, 8), 10).state_dict()
    path = folder / name
    (save_file if name.endswith(".safetensors") else torch.save)(state, path)
    return str(path)


def problems(*words: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        prepare(list(words))
    return [str(problem) for problem in caught.value.problems]


def test_a_task_has_the_config_and_where_its_values_came_from(tmp_path):
    (tmp_path / "my.toml").write_text("num_samples = [10]\n")
    words = ["stitching", "--config", str(tmp_path / "my.toml"), "--mapping", "linear"]
    task = prepare(words)
    assert (task.config.num_samples, task.config.mapping.kind) == ((10,), "linear")
    assert task.origins == {"num_samples": str(tmp_path / "my.toml"), "mapping.kind": "command line"}
    assert (task.point, task.agent) == (None, None)


def test_a_point_of_a_sweep_is_that_of_the_plan():
    task = prepare(["fusion", "--sweep", str(SWEEPS / "fusion.yaml"), "--index", "1"])
    assert task.point.index == 1
    assert task.config == task.point.config


@pytest.mark.parametrize("experiment", ["stitching", "alignment"])
def test_a_sweep_of_another_experiment_is_refused_in_words(experiment, capsys):
    words = [experiment, "--sweep", str(SWEEPS / "fusion.yaml"), "--index", "0"]
    (text,) = problems(*words)
    assert "fusion.yaml is a sweep of the experiment fusion, not of " + experiment in text
    assert main(words) == 2
    assert text in capsys.readouterr().err


def test_what_points_and_words_cannot_be(tmp_path):
    file = str(SWEEPS / "fusion.yaml")
    assert "go together" in problems("fusion", "--sweep", file)[0]
    assert "go together" in problems("fusion", "--index", "0")[0]
    assert "cannot be combined" in problems("fusion", "--sweep", file, "--index", "0", "--num_inputs", "3")[0]
    with pytest.raises(GridError, match="allowed: 0 to"):
        prepare(["fusion", "--sweep", file, "--index", "99"])
    with pytest.raises(UnknownExperiment, match="did you mean `fusion`"):
        prepare(["fussion"])
    random = tmp_path / "random.yaml"
    random.write_text(
        "method: random\ncommand: [python, -m, experiments, stitching]\nparameters: {sampling_seed: {value: 1}}"
    )
    assert "only a grid has a list of points" in problems("stitching", "--sweep", str(random), "--index", "0")[0]


def test_files_of_parents_that_are_there_and_fit_are_taken(tmp_path):
    files = [save(tmp_path, "a.pt"), save(tmp_path, "b.safetensors", seed=1)]
    assert prepare(["fusion", "--parents", *files, *FILES]).config.parents == tuple(files)


def test_every_file_that_is_missing_broken_or_does_not_fit_is_told_beside_the_conflicts(tmp_path):
    good, wide = save(tmp_path, "good.pt"), save(tmp_path, "wide.pt", hidden=16)
    junk, listed = tmp_path / "junk.pt", tmp_path / "list.pt"
    junk.write_bytes(b"junk\n")
    torch.save([1, 2], listed)
    absent = [str(tmp_path / "absent.pt"), str(tmp_path)]
    found = problems("fusion", "--parents", good, wide, str(junk), str(listed), *absent, wide, *FILES)
    assert [text.split(": ")[0] for text in found] == ["parents"] * len(found)
    assert [name for name in absent for text in found if f"{name} does not exist" in text] == absent
    assert sum(f"{wide}: " in text and "has the shape" in text for text in found) == 2
    assert sum("junk.pt cannot be read as weights" in text for text in found) == 1
    assert sum("list.pt holds no state dict" in text for text in found) == 1
    assert not any(good in text for text in found)
    found = problems(
        "fusion", "--parents", good, *absent, *FILES, "--num_inputs", "600", "--weights", "0.5", "0.6"
    )
    assert [text.split(":")[0] for text in found] == [
        "weights", "recipes.4.method.num_samples", "parents", "parents",
    ]  # fmt: skip
    assert "in the recipe activation_matching" in found[1]


def test_a_file_that_was_mended_is_looked_at_again(tmp_path):
    good, other = save(tmp_path, "good.pt"), save(tmp_path, "other.pt", hidden=16)
    words = ["fusion", "--parents", good, other, *FILES]
    assert problems(*words)
    save(tmp_path, "other.pt", hidden=12, seed=3)
    assert prepare(words) is not None


def test_experiments_without_files_look_at_nothing():
    for name in ("stitching", "alignment", "fusion"):
        manager = manager_of(name)
        manager.check(manager.config())


def test_a_point_of_an_agent_is_checked_too(tmp_path, monkeypatch):
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text('wandb_version: 1\nparents: {value: ["absent.pt", "gone.pt"]}\nmodel: {value: mlp}\n')
    given = {"WANDB_SWEEP_ID": "abc", "WANDB_SWEEP_PARAM_PATH": str(parameters), "WANDB_RUN_ID": "r"}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    assert problems("fusion") == ["parents: absent.pt does not exist", "parents: gone.pt does not exist"]


def test_conflicts_are_config_errors_and_name_the_recipe():
    with pytest.raises(ConfigError, match="in the recipe ot_activations, and there are 200 inputs"):
        prepare(["fusion", "--num_inputs", "200"])


def _fields(model, path="", seen=()):
    for name, info in model.model_fields.items():
        key = f"{path}{name}"
        yield key, info
        for inner in models_of(info):
            if inner not in seen:
                yield from _fields(inner, f"{key}.", (*seen, inner))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_seed_of_a_config_takes_the_same_values(experiment):
    seeds = {key: info for key, info in _fields(manager_of(experiment).config) if key.endswith("seed")}
    assert seeds
    bounds = TypeAdapter(Seed).json_schema()
    for key, info in seeds.items():
        kind = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        found = TypeAdapter(kind).json_schema()
        assert [one for one in found.get("anyOf", [found]) if one != {"type": "null"}] == [bounds], key


def test_a_seed_beyond_what_identities_hold_is_refused_by_its_key():
    told = f"has no identity: {2**60} is an integer beyond ±2^53"
    words = ["stitching", "--source.seed", str(2**60), "--sampling_seed", str(-(2**60))]
    source, sampling = sorted(problems(*words), reverse=True)
    assert source.startswith(f"source.seed: {told}")
    assert sampling.startswith(f"sampling_seed: has no identity: -{2**60} is an integer beyond")
    assert all(text.endswith("(command line)") for text in (source, sampling))
