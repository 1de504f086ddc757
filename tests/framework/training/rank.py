"""One of several ranks that train on this machine: what the tests of ranks start as a process of its own.

    python -m tests.framework.training.rank STORE RANK SIZE FOLDER PLAN

PLAN is JSON: a list of [name, config, moments, shelf]. The training is asked to leave at each moment, the number
of a batch of that attempt; after the moment 0 it is left to others, who find it on the shelf. Rank 0 leaves what
came of the run in FOLDER/name.json and FOLDER/name/.
"""

import json
import shutil
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from pytorch_lightning import Callback

from framework.errors import Interrupted
from framework.tracking import leaving
from framework.training import train_model
from framework.training.config import TrainingConfig
from framework.training.ranks import world
from tests.framework.fakes import FakeRun, Shelf


class AsksToLeave(Callback):
    """A signal comes when the n-th batch starts. Only the first rank is asked."""

    def __init__(self, number):
        self.left = number

    def on_train_batch_start(self, *_):
        self.left -= 1
        if self.left == 0 and world.is_first():
            assert leaving.put_off(signal.SIGUSR2)


def trained(folder, config, moments, shelf):
    """The run that ends, after one left at each of the moments, and how many were left."""
    for number, moment in enumerate([*moments, None]):
        if moment == 0:
            return None, number
        run = FakeRun(folder / f"{number}-{world.rank()}", shelf=shelf if world.is_first() else None)
        try:
            train_model(config, run, callbacks=[AsksToLeave(moment)] if moment else [])
        except Interrupted:
            run.progress.keep()
        else:
            return run, number
        finally:
            run.progress.close(is_done=False)
    raise AssertionError("nobody came to the end")


def keep(run, left, folder, name):
    """What a run said and the weights that it left, as files."""
    place = folder / name
    place.mkdir()
    for path in (run.folder / "model").glob("*.safetensors"):
        shutil.copyfile(path, place / path.name)
    told = {"rows": run.rows, "summary": run.summary, "left": left, "tables": sorted(run.tables)}
    (folder / f"{name}.json").write_text(json.dumps(told))


def main(store, rank, size, folder, plan):
    torch.set_num_threads(1)
    if int(size) > 1:
        world.join(dist.FileStore(store, int(size)), int(rank), int(size))
    for name, config, moments, shelf in json.loads(plan):
        place = Path(folder) / f"work-{name}"
        run, left = trained(place, TrainingConfig.parse(config), moments, Shelf(shelf or place / "shelf"))
        if run is None:
            assert left
        elif world.is_first():
            keep(run, left, Path(folder), name)
        else:
            assert not run.rows
            assert not run.summary
            assert not run.artifacts
            assert not list((run.folder / "model").glob("*.safetensors"))
    world.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
