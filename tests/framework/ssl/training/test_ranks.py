"""Two ranks pretrain the encoder that one process pretrains, to rounding."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from framework.errors import ConfigError
from framework.ssl.training import pretraining
from tests.framework.fakes import FakeRun
from tests.framework.ssl.training.conftest import config_of
from tests.framework.ssl.training.rank import KINDS, pretrained

ROWS = ("train/ssl_loss", "val/ssl_loss", "knn/val_accuracy", "collapse/spread", "diagnostics/features/rankme")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of one process, and that of two."""
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    words = [sys.executable, "-m", "tests.framework.ssl.training.rank", str(together / "store")]
    started = [
        subprocess.Popen([*words, str(rank), "2", str(together)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        pretrained(alone, 0)
        told = [process.communicate(timeout=120)[1] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0, 0], told
    return alone, together


@pytest.mark.parametrize("kind", KINDS)
def test_two_ranks(kind, folders):
    weights = [load_file(folder / kind / "last.safetensors") for folder in folders]
    if kind == "moco":  # the ranks lay their projections into the bank one after the other
        for state in weights:
            bank = state.pop("criterion.memory_bank.bank")
            state["bank"] = torch.stack(sorted(bank, key=lambda row: row.tolist()))
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, rtol=1e-2, atol=1e-4)
    alone, together = (json.loads((folder / kind / "rows.json").read_text()) for folder in folders)
    for expected, found in zip(alone, together, strict=True):
        assert {name: found[name] for name in ROWS} == pytest.approx(
            {name: expected[name] for name in ROWS}, rel=1e-3
        )


def test_a_batch_that_ranks_cannot_share_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining.world, "size", lambda: 3)
    with pytest.raises(ConfigError, match="batch_size: is 64; allowed with 3 ranks: a multiple of their number"):
        pretraining.pretrain(config_of(), FakeRun(tmp_path / "run"))
