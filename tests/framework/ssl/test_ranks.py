"""Two processes with half of a batch each have the loss and the gradients of one with the whole."""

import json
import subprocess
import sys

import pytest
import torch

from framework.ssl.config import CONFIGS
from tests.framework.ssl.rank import RANKS, step, without_normalisation


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    store = tmp_path_factory.mktemp("ranks") / "store"
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.framework.ssl.rank", str(store), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]
    try:
        told = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * RANKS, told
    return json.loads(told[0][0])


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_mean_over_processes_is_that_of_the_whole_batch(kind, shared):
    method = without_normalisation(kind)
    total, gradients = step(method)
    assert shared[kind]["total"] == pytest.approx(total.item(), rel=1e-5)
    torch.testing.assert_close(torch.tensor(shared[kind]["gradients"]), gradients, rtol=1e-4, atol=1e-5)
    if kind == "moco":
        banks = [torch.tensor(shared[kind]["bank"]), method.criterion.memory_bank.bank]
        assert torch.equal(*(torch.stack(sorted(bank, key=lambda row: row.tolist())) for bank in banks))
