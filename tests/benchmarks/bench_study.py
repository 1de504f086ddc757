"""A stitching study of the seed's size on Fashion-MNIST: 5,352 mappings fitted, stitched and scored.

Ten PCKTAE (latent size 10, one epoch: what a mapping costs does not depend on how good its models are), the first
223 of their ordered pairs x five mappings, 6 numbers of samples x 4 ridges each. All four tables are logged, the
one with a row for each of 53,520,000 mapped images included. The models are trained before the clock starts.

The time to compare with is published: 2 h 17 min for the evaluation of 5,352 mapping files.
"""

import itertools
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab import Lab

MODELS, RUNS = 10, 223
MAPPINGS = ("linear", "affine", "mlp", "decouple", "residual")
NUM_SAMPLES = (10, 50, 100, 200, 300, 500)
RIDGES = (0, 0.001, 0.01, 0.1)
TARGET_MIN = 8.0
SEED_MIN = 137.0
WITNESS = "FashionMNIST/raw/train-images-idx3-ubyte"


def data_folder() -> Path | None:
    """Where Fashion-MNIST lies: `SASHIKO_DATA`, `data`, or beside the project."""
    for folder in (os.environ.get("SASHIKO_DATA"), "data", "../shared/data"):
        if folder and (Path(folder) / WITNESS).exists():
            return Path(folder).absolute()
    return None


def sweep_file(lab: Lab, name: str, values: list[dict[str, Any]], **constants: Any) -> Path:
    """A sweep over coupled source, target and mapping."""
    path = lab.folder / f"{name}.yaml"
    parameters = {key: {"value": value} for key, value in constants.items()}
    sweep = {
        "name": name,
        "project": "bench",
        "method": "grid",
        "command": ["${env}", "python", "-m", "experiments", "stitching"],
        "parameters": {"source+target+mapping": {"values": values}, **parameters},
    }
    path.write_text(json.dumps(sweep))
    return path


def model(seed: int) -> dict[str, Any]:
    """A PCKTAE with one epoch of training."""
    return {
        "data": {"name": "fashion_mnist"},
        "model": {"kind": "pcktae", "latent_dim": 10},
        "seed": seed,
        "max_epochs": 1,
        "reconstructions_every": None,
    }


def measure() -> list[dict[str, Any]]:
    """One row: minutes for the whole study with two workers, from the command to its end."""
    name = f"study: {RUNS * len(NUM_SAMPLES) * len(RIDGES):,} mappings on Fashion-MNIST's 10,000 test images"
    data = data_folder()
    if data is None:
        note = f"Fashion-MNIST is not there: set SASHIKO_DATA to a folder with {WITNESS}"
        target = f"≤ {TARGET_MIN:g} min"
        return [{"name": name, "measured": "nothing", "target": target, "reached": False, "note": note}]
    with tempfile.TemporaryDirectory(prefix="sashiko-bench-") as folder:
        lab = Lab.make(Path(folder))
        lab.environment["SASHIKO_DATA"] = str(data)
        try:
            chain = [
                {"source": model(i), "target": model((i + 1) % MODELS), "mapping": {"kind": "identity"}}
                for i in range(MODELS)
            ]
            _work(lab, sweep_file(lab, "models", chain, num_samples=[10], per_image=False, ssim_images=0))
            pairs = itertools.permutations(range(MODELS), 2)
            points = [
                {"source": model(i), "target": model(j), "mapping": {"kind": kind, "ridges": RIDGES}}
                for (i, j), kind in itertools.product(pairs, MAPPINGS)
            ]
            file = sweep_file(lab, "study", points[:RUNS], num_samples=NUM_SAMPLES)
            start = time.perf_counter()
            said = _work(lab, file)
            minutes = (time.perf_counter() - start) / 60
        finally:
            lab.close()
    mappings = RUNS * len(NUM_SAMPLES) * len(RIDGES)
    return [
        {
            "name": name,
            "measured": f"{minutes:.1f} min, {minutes * 60 / mappings:.3f} s a mapping with two workers; the seed "
            f"{SEED_MIN:.0f} min, 1.5 s each: {SEED_MIN / minutes:.0f} times faster",
            "target": f"≤ {TARGET_MIN:g} min on 2 cores",
            "reached": minutes <= TARGET_MIN,
            "note": said,
        }
    ]


def _work(lab: Lab, file: Path) -> str:
    process = lab.start("launch.cli", "sweep", str(file), "--workers", "2")
    out, errors = process.communicate()
    found = re.search(r"\d+ runs? finished.*", out)
    if process.returncode or found is None:
        raise RuntimeError(f"the sweep {file.name} failed: {out}{errors[-2000:]}")
    return found[0]
