"""The README is true: its experiment runs as printed, its commands run in order, its make targets exist."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from launch import serve
from launch.cli import app
from tests.lab import Lab

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_S = 600
PAIRS = (8, 11)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> Iterator[str]:
    for block in blocks("sh"):
        yield from (line for line in block.splitlines() if line.strip())


def own_experiment() -> str:
    (example,) = (block for block in blocks("python") if "(Manager[" in block)
    return example


def test_the_pieces_run_as_printed(tmp_path: Path):
    pieces, fusion, metrics, encoders = (block for block in blocks("python") if "(Manager[" not in block)
    latents = np.random.default_rng(0).normal(size=(2, 50, 6)).astype(np.float32)
    names = {
        "z_source": torch.from_numpy(latents[0]),
        "z_target": torch.from_numpy(latents[1]),
        "folder": tmp_path,
    }
    exec(pieces, names)
    assert names["mapping"](names["z_source"]).shape == (50, 6)
    parents = [
        torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)) for _ in range(2)
    ]
    base = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    names = {"first": parents[0], "second": parents[1], "third": base, "base": base, "images": names["z_source"]}
    exec(fusion, names)
    assert names["merged"](names["images"]).shape == (50, 2)
    assert names["zipped"](names["images"]).shape == (50, 4)
    assert torch.allclose(names["moved"](names["images"]), parents[1](names["images"]), atol=1e-5)
    inputs, labels = torch.from_numpy(latents[0]), torch.arange(50) % 2
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=10)
    names = {"x": latents[0], "y": latents[1], "model": parents[0], "loader": loader}
    names |= {"inputs": inputs, "labels": labels}
    exec(metrics, names)
    assert len(names["table"]) == 7
    assert float(names["trace"]) > 0
    assert {row.space for row in names["rows"]} == {"input", "parameter", "prediction"}
    names = {"view": torch.rand(4, 1, 8, 8), "other_view": torch.rand(4, 1, 8, 8)}
    exec(encoders, names)
    assert names["loss"].requires_grad
    assert len(names["table"]) >= 4


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A copy of the project with the README's experiment in it, and no account.

    Of the sweep of the first lines it has two pairs of models instead of twelve: as much to see in less time.
    """
    lab = Lab.make(tmp_path_factory.mktemp("readme"))
    shutil.copytree(ROOT / "sweeps", lab.folder / "sweeps")
    file = lab.folder / "sweeps" / "stitching.yaml"
    pairs = [line for line in file.read_text().splitlines(keepends=True) if line.startswith("    - {source")]
    kept = {pairs[index] for index in PAIRS}
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if line not in pairs or line in kept))
    lab.add_experiment("penalty", "manager:PenaltyManager", {"manager.py": own_experiment()})
    yield lab
    lab.close()


def test_the_whole_experiment_is_under_forty_lines():
    assert len(own_experiment().splitlines()) < 40
    assert '`"penalty": "experiments.penalty.manager:PenaltyManager",`' in README


def test_make_targets_exist():
    for command in commands():
        if command.startswith("make "):
            subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


def test_every_verb_is_told():
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"`sashiko {command.callback.__name__}" in README
    for group in (serve.app, serve.users):
        for command in group.registered_commands:
            assert command.callback is not None
            assert (command.name or command.callback.__name__) in README


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_runs(project: Lab):
    """In the order of the text, each in a shell of its own, with what the text exports kept."""
    exports = ""
    outputs = {}
    for command in commands():
        if command.startswith("make "):
            continue  # the targets call the commands that run here
        done = subprocess.run(
            ["bash", "-c", f"set -e; {exports}{command}"], cwd=project.folder, env=project.environment,
            capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        outputs[command] = done.stdout + done.stderr
        if command.startswith("eval "):
            exports += f"{command}; "
    assert (project.folder / "results" / "stitching.csv").exists()
    drawn = {path.stem for path in (project.folder / "results").glob("*.png")}
    assert {"error_by_num_samples", "error_by_ridge", "error_by_mapping", "latents_pca", "error_maps"} <= drawn
    assert len(list((project.folder / "results" / "pulled" / "mapping").iterdir())) == 30  # 15 mappings of 2 pairs
    table = outputs["sashiko compare sweeps/penalty.yaml"]
    assert len(re.findall(r"^ *(0\.01|0\.1|1|10) ", table, flags=re.MULTILINE)) == 4, table
    assert "wandb agent local/sashiko/" in outputs["wandb sweep sweeps/stitching.yaml"]
