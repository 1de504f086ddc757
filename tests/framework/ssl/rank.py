"""One of two processes that have half of a batch each: python -m tests.framework.ssl.rank STORE RANK."""

import json
import sys
import warnings
from typing import Any

import torch
from torch import distributed

from framework.ssl import Method, build
from framework.ssl.config import CONFIGS
from framework.ssl.parts import Dense

RANKS = 2
OPTIONS: dict[str, dict[str, Any]] = {
    "moco": {"memory_bank_size": 64},
    "lejepa": {"slices": 16},
    "visreg": {"slices": 16},
    **{kind: {"predictor": {"hidden": []}} for kind in ("byol", "simsiam", "fastsiam")},
}


def without_normalisation(kind: str) -> Method:
    """A method in which no batch normalisation tells the shares of a batch apart."""
    values = {"kind": kind, "projection": {"kind": "linear", "output": 6}, **OPTIONS.get(kind, {})}
    return build(CONFIGS[kind].parse(values), (1, 8, 8), 0, Dense(hidden=(9,)))  # type: ignore[arg-type]


def step(method: Method, rank: int = 0, ranks: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss and all gradients, with the share that a rank has of the batch."""
    share = 8 // ranks
    views = torch.rand(method.config.views, 8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    losses = method.loss(views[:, rank * share : (rank + 1) * share])
    losses.total.backward()
    found = [p.grad.flatten() for p in method.parameters() if p.grad is not None]
    return losses.total.detach(), torch.cat(found)


def mean(numbers: torch.Tensor) -> torch.Tensor:
    distributed.all_reduce(numbers)
    return numbers / RANKS


def main(store: str, rank: int) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS)
    rows = {}
    for kind in CONFIGS:
        method = without_normalisation(kind)
        total, gradients = (mean(numbers) for numbers in step(method, rank, RANKS))
        bank = method.criterion.memory_bank.bank.tolist() if kind == "moco" else None
        rows[kind] = {"total": total.item(), "gradients": gradients.tolist(), "bank": bank}
    distributed.destroy_process_group()
    if rank == 0:
        print(json.dumps(rows))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # lightly calls what PyTorch is about to replace
    main(sys.argv[1], int(sys.argv[2]))
