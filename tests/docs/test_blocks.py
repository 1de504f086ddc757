"""The Python blocks of the pages run as printed, on small arrays and networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from tests.docs import pages
from tests.docs.pages import RUN

ELSEWHERE = {
    "docs/your-own-experiment.md": "the experiment of test_commands.py",
    "docs/results.md": "read from the sweeps of test_commands.py",
}


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """What a reader of these pages has at hand."""
    torch.manual_seed(0)
    latents = np.random.default_rng(0).normal(size=(2, 50, 6)).astype(np.float32)
    inputs, labels = torch.from_numpy(latents[0]), torch.arange(50) % 2
    first, second, third = network(), network(), network()
    return {
        "z_source": torch.from_numpy(latents[0]), "z_target": torch.from_numpy(latents[1]), "folder": tmp_path,
        "x": latents[0], "y": latents[1], "inputs": inputs, "labels": labels, "images": inputs,
        "loader": DataLoader(TensorDataset(inputs, labels), batch_size=10),
        "first": first, "second": second, "third": third, "base": third, "model": first,
        "view": torch.rand(4, 1, 8, 8), "other_view": torch.rand(4, 1, 8, 8),
    }  # fmt: skip


def test_the_readmes_block(given: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    (block,) = pages.blocks("README.md", "python")
    exec(block, given)
    assert given["mapping"](given["z_source"]).shape == (50, 6)
    assert given["fused"](given["images"]).shape == (50, 2)
    assert given["loss"].requires_grad
    assert capsys.readouterr().out.startswith("cka ")


@pytest.mark.slow
def test_the_librarys_blocks(given: dict[str, Any]):
    mappings, fusion, metrics, encoders = pages.blocks("docs/library.md", "python")
    exec(mappings, given)
    assert given["mapping"](given["z_source"]).shape == (50, 6)
    exec(fusion, given)
    assert given["merged"](given["images"]).shape == (50, 2)
    assert given["zipped"](given["images"]).shape == (50, 4)
    assert torch.allclose(given["moved"](given["images"]), given["second"](given["images"]), atol=1e-5)
    exec(metrics, given)
    assert len(given["table"]) == 7
    assert float(given["trace"]) > 0
    assert {row.space for row in given["rows"]} == {"input", "parameter", "prediction"}
    exec(encoders, given)
    assert given["loss"].requires_grad
    assert len(given["table"]) >= 4


def test_a_config_like_one_of_hydra():
    (block,) = pages.blocks("docs/coming-from.md", "python")
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["TrainConfig"]().lr == 0.1


def test_no_block_is_left_out():
    told = {page for page in RUN if pages.blocks(page, "python")}
    assert told == {"README.md", "docs/library.md", "docs/coming-from.md", *ELSEWHERE}
