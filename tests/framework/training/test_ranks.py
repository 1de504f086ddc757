"""Several ranks train the model that one process trains, to rounding; what they leave they go on with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framework.training.ranks.shares import share_of
from tests.framework.training.conftest import SMALL

SIZES = (1, 2, 3)
LEAVING, *TAKING = 2, 1, 3
"""What so many ranks have left, the other numbers of ranks go on with."""
PCKTAE = {"kind": "pcktae", "latent_dim": 2}
"""Batch normalisation and dropout."""
WHOLE = {"model": PCKTAE, "trainer": {"limit_train_batches": 4}}
"""What is left: in float32, because Lightning loads float64 weights by way of float32."""
EXACT = {"precision": "64-true"}
BASE = {"max_epochs": 2, "device": "cpu", "batch_size": 256, "trainer": EXACT, "reconstructions_every": None}
KINDS = {
    "float32": {"model": SMALL, "trainer": {}, "optimizer": {"kind": "sgd"}},
    "vae": {"model": {"kind": "vae", "hidden": [8], "latent_dim": 2}},
    "classifier": {"model": {"kind": "mlp", "hidden": [8]}, "augment": "flip_crop"},
    "normalised": {"model": PCKTAE, "optimizer": {"kind": "sgd"}, "trainer": {**EXACT, "limit_train_batches": 4}},
    "few left": {"model": SMALL, "batch_size": 251},
    "schedule": {
        "model": SMALL, "schedule": "cosine", "warmup_epochs": 1, "early_stopping": 2,
        "trainer": {**EXACT, "accumulate_grad_batches": 2, "gradient_clip_val": 0.1},
    },
    "workers": {"model": SMALL, "num_workers": 1},
}  # fmt: skip
BY_THREE = ("float32", "normalised", "few left")
LEAVES = {"left": [3], "left twice": [1, 5]}
VOLATILE = ("time/", "memory/")


def plan(folder, size):
    kinds = [(name, BASE | changes, [], None) for name, changes in KINDS.items() if size < 3 or name in BY_THREE]
    left = [(name, BASE | WHOLE, moments, None) for name, moments in ({"whole": []} | LEAVES).items()]
    config = BASE | KINDS["float32"]
    if size == LEAVING:  # to each of the others, in the second epoch
        others = [(f"left to {other}", config, [8, 0], str(folder / f"shelf-{other}")) for other in TAKING]
    else:
        others = [("taken over", config, [], str(folder / f"shelf-{size}"))]
    return [*kinds, *left, *others]


def started(folder, size, planned):
    folder.mkdir()
    words = [sys.executable, "-m", "tests.framework.training.rank", str(folder / "store")]
    return [
        subprocess.Popen([*words, str(rank), str(size), str(folder), json.dumps(planned)], stderr=subprocess.PIPE)
        for rank in range(size)
    ]


def ended(processes):
    """All of them; one that waits for another that has failed does not wait for ever."""
    try:
        said = [process.communicate(timeout=240)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The folder of outcomes by the number of ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    for size in (LEAVING, *TAKING):
        ended(started(folder / str(size), size, plan(folder, size)))
    return {size: folder / str(size) for size in SIZES}


def told(folder: Path, name: str):
    found = json.loads((folder / f"{name}.json").read_text())
    rows = [{key: value for key, value in row.items() if not key.startswith(VOLATILE)} for row in found["rows"]]
    summary = {key: value for key, value in found["summary"].items() if not key.startswith(VOLATILE)}
    weights = {path.name: load_file(path) for path in sorted((folder / name).glob("*.safetensors"))}
    return rows, summary, weights, found


def assert_close(one, other, tolerance):
    for row, wanted in zip(one[0], other[0], strict=True):
        assert row == pytest.approx(wanted, rel=0, abs=tolerance)
    assert one[1].keys() == other[1].keys()
    assert one[1]["best_epoch"] == other[1]["best_epoch"]
    assert one[2].keys() == other[2].keys()
    for name, tensors in one[2].items():
        for key, values in tensors.items():
            torch.testing.assert_close(values, other[2][name][key], rtol=0, atol=tolerance, msg=f"{name} {key}")


@pytest.mark.parametrize(("kind", "size"), [*((kind, 2) for kind in KINDS), *((kind, 3) for kind in BY_THREE)])
def test_several_ranks_train_what_one_process_trains(outcomes, kind, size):
    one, several = (told(outcomes[count], kind) for count in (1, size))
    assert len(one[0]) == 2
    assert_close(several, one, 1e-6 if kind == "float32" else 1e-7)
    assert several[3]["tables"] == one[3]["tables"] == ["timing"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LEAVES)
def test_what_was_left_and_gone_on_with_is_equal_bit_for_bit(outcomes, name, size):
    whole, left = (told(outcomes[size], kind) for kind in ("whole", name))
    assert left[3]["left"] == len(LEAVES[name])
    assert left[0] == whole[0]
    assert left[1] == whole[1]
    for file, tensors in whole[2].items():
        assert all(torch.equal(values, left[2][file][key]) for key, values in tensors.items()), file


@pytest.mark.parametrize("size", TAKING)
def test_another_number_of_ranks_goes_on_with_what_was_left(outcomes, size):
    assert (outcomes[LEAVING].parent / f"shelf-{size}" / "stages" / "0" / "state").is_file(), "half of it was done"
    found, whole = (told(outcomes[count], name) for count, name in ((size, "taken over"), (1, "float32")))
    assert_close(found, whole, 1e-6)


@pytest.mark.parametrize("total", [1, 2, 7, 64])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_shares_of_a_batch_are_all_of_it(total, size):
    shares = [share_of(total, rank, size) for rank in range(size)]
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(total))
    assert max(share.images for share in shares) - min(share.images for share in shares) <= 1
    assert all(range(total)[share.rows] for share in shares), "each computes on something"
