"""What a compute node tells of itself: run there by `sashiko doctor --slurm`, it writes one file of JSON.

    python -m launch.node_report FOLDER

The folder is that of the job, as the submitting machine sees it: whether it is the same one here is part of the
question. A tracker that does not answer, or a package that is missing, is told, and ends nothing.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

NONCE, REPORT = "nonce", "report.json"
PACKAGES = ("sashiko", "torch", "wandb", "submitit")
PATIENCE_S = 10.0


def versions() -> dict[str, str | None]:
    """Python's version and those of the packages that must be equal everywhere; None for one that is not there."""
    found: dict[str, str | None] = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def report(folder: Path) -> dict[str, Any]:
    """What is told."""
    nonce = folder / NONCE
    return {
        "host": platform.node(),
        "node": os.environ.get("SLURMD_NODENAME") or platform.node(),
        "nonce": nonce.read_text() if nonce.is_file() else None,
        "versions": versions(),
        "gpus": _gpus(),
        **_tracker(),
    }


def _gpus() -> dict[str, Any]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        import torch

        return {"visible": visible, "torch": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    except ImportError as error:
        return {"visible": visible, "torch": None, "error": str(error)}


def _tracker() -> dict[str, Any]:
    from framework.errors import SashikoError
    from framework.tracking.tracker import Tracker
    from launch import clocks

    url = os.environ.get("WANDB_BASE_URL", "")
    try:
        entity = Tracker(url, os.environ.get("WANDB_API_KEY", ""), PATIENCE_S).check()
    except SashikoError as error:
        return {"entity": None, "error": str(error), "ahead_s": None}
    return {"entity": entity, "error": None, "ahead_s": clocks.ahead_of(url)}


def main(arguments: list[str] | None = None) -> int:
    """Write the report; 0."""
    parser = argparse.ArgumentParser(prog="python -m launch.node_report")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{REPORT}.unfinished"
    unfinished.write_text(json.dumps(report(folder)))
    unfinished.rename(folder / REPORT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
