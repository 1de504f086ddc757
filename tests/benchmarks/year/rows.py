"""The rows of a made run: four metrics as networks log them (float32), a learning rate by epoch, and times."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launch.server.columnar import files
from launch.server.columnar.columns import Column, Columns
from launch.server.storage.aged import Part

METRICS = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
EPOCH = 100
"""Rows of an epoch."""


@dataclass(frozen=True)
class Rows:
    """What the server keeps of a history: its lines (as a file or as texts), and what is known of each key."""

    run: int
    part: Part | None
    texts: list[str]
    keys: list[tuple[str, int, str, float, float]]  # name, rows, last value as JSON, smallest, largest
    summary: dict[str, float]


def made(run: int, seed: int, mean: int, ended: float, blobs: Path | None) -> Rows:
    """The rows of a run that ended at a time; into a file among the `blobs`, or (None) as texts."""
    chance = np.random.default_rng((seed, run))
    count = int(chance.integers(mean // 2, mean * 3 // 2 + 1))
    numbers = _numbers(chance, count, ended)
    steps = np.arange(count)
    columns = Columns(steps, steps, {key: Column(values) for key, values in numbers.items()})
    last = {key: values[-1].item() for key, values in numbers.items()}
    keys = [
        (key, count, json.dumps(last[key]), *_ends(key, values)) for key, values in numbers.items()
    ]  # fmt: skip
    if blobs is None:
        told = {key: values.tolist() for key, values in numbers.items()}
        texts = [json.dumps(dict(zip(told, row, strict=True))) for row in zip(*told.values(), strict=True)]
        return Rows(run, None, texts, keys, last)
    body = files.written(columns)
    name = hashlib.sha256(body).hexdigest()
    (blobs / name[:2] / name).write_bytes(body)
    return Rows(run, Part(0, count - 1, count, 0, count - 1, len(body), name), [], keys, last)


def _numbers(chance: np.random.Generator, count: int, ended: float) -> dict[str, NDArray[Any]]:
    step = np.arange(count)
    decay = np.exp(-step / chance.uniform(100, 800))
    noise = chance.standard_normal((4, count))
    found: dict[str, NDArray[Any]] = {}
    for place, key in enumerate(METRICS):
        value = decay * (1 + 0.1 * noise[place])
        value = value if "loss" in key else 1 - 0.9 * np.abs(value)
        found[key] = value.astype(np.float32).astype(np.float64)
    rate = float(chance.choice([0.1, 0.03, 0.01]))
    found["learning_rate"] = rate * (1 + np.cos(np.pi * (step // EPOCH) / (count // EPOCH + 1))) / 2
    seconds = np.cumsum(chance.uniform(0.5, 3) * (1 + 0.1 * chance.random(count)))
    found["epoch"] = step // EPOCH
    found["_step"] = step
    found["_runtime"] = np.rint(seconds * 1e9) / 1e9
    found["_timestamp"] = ended - seconds[-1] + seconds
    return found


def _ends(key: str, values: NDArray[Any]) -> tuple[float, float]:
    if key.startswith("_"):
        return float("inf"), float("-inf")
    return float(values.min()), float(values.max())
