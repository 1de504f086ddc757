"""Short real trials, models made already: Sashiko, Ray Tune and hydra's joblib launcher, two processes each.

The trial is one stitching run on scikit-learn's digits; a hundred of them differ in the seed of their anchors. All
log to the same embedded server. The time is the wall clock from the start of the command to its end.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab import ROOT, Lab

COUNT, TARGET = 100, 3.0
ENVIRONMENT = ROOT / ".venv" / "others"
NEEDS = ("ray[tune]", "hydra-core", "hydra-joblib-launcher")
MODEL = {"model": {"kind": "mlp_autoencoder"}, "max_epochs": 3, "device": "cpu"}
CONFIG = {
    "source": {**MODEL, "seed": 0}, "target": {**MODEL, "seed": 1}, "num_samples": [200],
    "mapping": {"kind": "affine", "ridges": [0.1]}, "device": "cpu",
}  # fmt: skip


def measure() -> list[dict[str, Any]]:
    """Seconds a trial of each."""
    python = _environment()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        lab = Lab.make(folder)
        try:
            _ours(lab, 1)  # makes the models, and starts the server
            ours = _ours(lab, COUNT)
            told = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
            (folder / "config.json").write_text(json.dumps(CONFIG))
            (folder / "models.json").write_text(json.dumps(_models(lab)))
            times = {name: _theirs(lab, told, python, name) for name in ("hydra", "hydra_bare", "ray")}
        finally:
            lab.close()
    bare = times.pop("hydra_bare")
    fastest = min(times, key=lambda name: times[name])
    shown = ", ".join(f"{name} {seconds / COUNT:.2f} s" for name, seconds in times.items())
    return [
        {
            "name": f"{COUNT} stitching runs on digits, models made already, two processes, wall time a run",
            "measured": f"sashiko {ours / COUNT:.3f} s, {shown}: {times[fastest] / ours:.1f} times faster than "
            f"{fastest}",
            "note": "hydra's trials log the same tables, picture and mapping; with their summary alone "
            f"{bare / COUNT:.2f} s, as Ray's",
            "target": f"≥ {TARGET:.0f} times the faster one",
            "reached": times[fastest] >= TARGET * ours,
        }
    ]


def _environment() -> Path:
    """The interpreter that has them, beside what this one has; made once."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / ".installed").exists():
        print("    installing Ray Tune and hydra into an environment of their own (some minutes)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *NEEDS], check=True)
        sites = ENVIRONMENT / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (sites / "sashiko.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        (ENVIRONMENT / ".installed").touch()
    return python


def _ours(lab: Lab, count: int) -> float:
    fixed = {name: {"value": value} for name, value in CONFIG.items()}
    definition = {
        "name": f"trials-{count}", "project": "ours", "method": "grid",
        "command": ["${env}", "python", "-m", "experiments", "stitching"],
        "parameters": {**fixed, "sampling_seed": {"values": list(range(count))}},
    }  # fmt: skip
    file = lab.folder / "trials.yaml"
    file.write_text(json.dumps(definition))
    start = time.perf_counter()
    done = lab.sashiko("sweep", str(file), "--workers", "2", "--embedded", "--new")
    seconds = time.perf_counter() - start
    if f"{count} run{'s' * (count > 1)} finished, 0 failed" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return seconds


def _models(lab: Lab) -> dict[str, str]:
    """The folders of the models' artifacts, by the id of their config, as the workers have kept them."""
    places = sorted((lab.folder / "cache" / "artifacts").glob("model-*"))
    return {place.name.split("-")[1]: str(place) for place in places}


def _theirs(lab: Lab, told: dict[str, str], python: Path, name: str) -> float:
    environment = {**lab.environment, **told, "PYTHONPATH": str(ROOT), "TMPDIR": str(lab.folder)}
    environment |= {"WANDB_SILENT": "true", "RAY_TRAIN_V2_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    words = [str(python), "-m", "tests.benchmarks.others", name, "config.json", "models.json", str(COUNT)]
    start = time.perf_counter()
    done = subprocess.run(
        words, cwd=lab.folder, env={**os.environ, **environment}, text=True, capture_output=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["ended"] != COUNT:
        raise RuntimeError(f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds
