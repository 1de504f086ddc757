"""One of several ranks: python -m tests.framework.ssl.training.rank STORE RANK SIZE FOLDER."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist

from framework.ssl.training.pretraining import pretrain
from framework.training.ranks import world
from tests.framework.fakes import FakeRun
from tests.framework.ssl.training.conftest import config_of

KINDS = {"simclr": {"early_stopping": 1}, "moco": {}, "byol": {}}


def pretrained(folder: Path, rank: int) -> None:
    """Each kind; the first rank leaves rows and weights in folder/KIND."""
    for kind, changes in KINDS.items():
        run = FakeRun(folder / f"work-{kind}-{rank}")
        pretrain(config_of(kind, max_epochs=2, **changes), run)
        if world.is_first():
            place = folder / kind
            place.mkdir()
            shutil.copyfile(run.folder / "encoder" / "last.safetensors", place / "last.safetensors")
            (place / "rows.json").write_text(json.dumps(run.rows))
        else:
            assert not run.rows
            assert not run.artifacts


def main(store: str, rank: str, size: str, folder: str) -> None:
    torch.set_num_threads(1)
    world.join(dist.FileStore(store, int(size)), int(rank), int(size))
    pretrained(Path(folder), int(rank))
    world.wait()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # lightly calls what PyTorch is about to replace
    main(*sys.argv[1:])
