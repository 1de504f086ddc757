"""Coordinate checks from width 64 to 4,096, muP beside the `mup` package, and the time of an abc network.

ReLU, four layers, biases, 32 inputs of 4 numbers, steps 1 to 5 of mean squared error on all of them; in muP
outputs begin at zero. The standard parametrisation has one rate for all layers. The time is that of forward and
backward at width 2,048, depth 6 and batch 96, against nn.Linear layers of the same sizes, in turns, best of
`REPEATS`.
"""

import copy
import itertools
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from framework.multitask.networks.build import build
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import WIDTHS, coordinate_check, slopes
from tests.benchmarks.bench_ridge import one_core

RATES = {("mup", "sgd"): 0.25, ("mup", "adam"): 0.1, ("standard", "sgd"): 0.003, ("standard", "adam"): 0.003}
SEEDS, FLAT, GROWS, EQUAL, SLOWER = range(4), 0.05, 0.3, 0.02, 1.05
MATCHED = (64, 512, 4096)
WIDTH, DEPTH, BATCH, REPEATS = 2048, 6, 96, 25
PRESETS = ("mup", "ntk")


def batch() -> tuple[Tensor, Tensor]:
    """Inputs (32, 4) and three sines of them, around 1."""
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(32, 4, generator=numbers) / 2
    return x, 1 + torch.sin(2 * x @ torch.randn(4, 3, generator=numbers))


def measure() -> list[dict[str, Any]]:
    """A row for each parametrisation and optimiser, for mup's agreement, and for each timing."""
    rows = [_slopes(preset, optimizer) for preset, optimizer in RATES]
    rows += [_against_mup(optimizer) for optimizer in ("sgd", "adam")]
    with one_core():
        return rows + [_timed(preset) for preset in PRESETS]


def _slopes(preset: str, optimizer: str) -> dict[str, Any]:
    flat, rate = preset == "mup", RATES[preset, optimizer]
    config = AbcMLP.parse({"parametrisation": preset, "zero_output": flat})
    found = slopes(coordinate_check(config, optimizer, rate, *batch(), widths=WIDTHS, seeds=SEEDS))
    after = found[(found["step"] > 0) & found["slope"].notna()]
    worst = after.loc[(after["slope"].abs() if flat else after["slope"]).idxmax()]
    return {
        "name": f"coordinates: {preset}, {optimizer} at η = {rate:g}, widths {WIDTHS[0]} to {WIDTHS[-1]:,}",
        "measured": f"slope {worst['slope']:+.3f}, the {'furthest from 0' if flat else 'largest'}: layer "
        f"{worst['layer']:.0f} after step {worst['step']:.0f}",
        "target": f"within ±{FLAT}" if flat else f"≥ {GROWS}",
        "reached": bool(len(after) == 20 and abs(worst["slope"]) <= FLAT) if flat else worst["slope"] >= GROWS,
        "note": f"{len(SEEDS)} seeds a width; of {4 * 5} slopes (four layers, five steps) {len(after)} are finite",
    }


def _against_mup(optimizer: str) -> dict[str, Any]:
    from tests.framework.multitask.networks.their_mup import their_steps

    x, y = batch()
    config, rate, furthest = AbcMLP(), RATES["mup", optimizer], 0.0
    for width in MATCHED:
        ours = coordinate_check(config, optimizer, rate, x, y, widths=(width,), seeds=(0,))["mean_abs"].to_numpy()
        sized = config.model_copy(update={"width": width})
        network: Any = build(sized, "", 4, 3, generator=torch.Generator().manual_seed(0))
        theirs = np.array(their_steps(network, optimizer, rate, x, y, 5)).reshape(-1)
        furthest = max(furthest, float(np.abs(ours / theirs - 1).max()))
    return {
        "name": f"coordinates: mean |x| in muP beside the mup package's, {optimizer} at η = {rate:g}",
        "measured": f"differ by up to {furthest:.1e}; widths {', '.join(map(str, MATCHED))}, steps 0 to 5",
        "target": f"≤ {EQUAL:.0%}",
        "reached": furthest <= EQUAL,
    }


def _timed(preset: str) -> dict[str, Any]:
    config = AbcMLP.parse({"width": WIDTH, "depth": DEPTH, "parametrisation": preset})
    sizes = [1, *[WIDTH] * (DEPTH - 1), 7]
    layers = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    plain = nn.Sequential(*layers[:-1])
    sides: dict[str, nn.Module] = {"abc": build(config, "", 1, 7), "plain": plain, "again": copy.deepcopy(plain)}
    x = torch.randn(BATCH, 1)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(REPEATS):
        for name, network in sides.items():
            seconds[name].append(_seconds(network, x))
    best = {name: min(times) for name, times in seconds.items()}
    return {
        "name": f"coordinates: forward and backward of {preset}, width {WIDTH:,}, depth {DEPTH}, batch {BATCH}",
        "measured": f"{1000 * best['abc']:.0f} ms, nn.Linear {1000 * best['plain']:.0f} ms: "
        f"{best['abc'] / best['plain']:.3f} times as long",
        "target": f"≤ {SLOWER} times",
        "reached": best["abc"] <= SLOWER * best["plain"],
        "note": f"the same nn.Linear layers a second time: {best['again'] / best['plain']:.3f} times",
    }


def _seconds(network: nn.Module, x: Tensor) -> float:
    network.zero_grad(set_to_none=True)
    start = time.process_time()
    network(x).square().mean().backward()
    return time.process_time() - start
