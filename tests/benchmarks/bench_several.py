"""Several small networks of scikit-learn's digits made one: of other seeds, and of other classes.

MLPs with biases, Adam (0.003), 200 steps on all 1,297 images to learn; 500 images of the test split, drawn anew
for every seed with the networks. Nothing is chosen by what is measured.
"""

import copy
import itertools
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from framework.fusion import align, fuse, zipit
from framework.fusion.structure import structure_of
from framework.fusion.zipped import Cut, Zipped

LEARNED = 1297
ALIKE = 1e-5
GROUPS, PAIRS = range(5), range(10)
UNTIL = "4"  # the last hidden layer


def measure() -> Iterator[dict[str, Any]]:
    """A row for three networks of all digits, in every order, and one for networks of 0 to 4 and 5 to 9."""
    found: dict[str, list[float]] = {}
    for seed in GROUPS:
        for name, value in _three(seed).items():
            found.setdefault(name, []).append(value)
    change = max(found["cycle_consistent, change of logits with the order"])
    yield {
        "name": "three MLPs 64-32-24-10 of the digits, fused in three orders",
        "measured": f"the logits of cycle_consistent change by {change:.1e} of the largest at most",
        "target": f"≤ {ALIKE:g}",
        "reached": change <= ALIKE,
        "note": _told(found),
    }
    found = {}
    for seed in PAIRS:
        for name, value in _other_classes(seed).items():
            found.setdefault(name, []).append(value)
    kept = statistics.mean(found["zipit"]) - statistics.mean(found["two networks"])
    yield {
        "name": "MLPs 64-64-64-64-5 of the digits 0 to 4 and 5 to 9, one in all hidden layers",
        "measured": f"{kept:+.1f} points to two networks",
        "target": "≥ -6 points",
        "reached": kept >= -6,
        "note": _told(found),
    }


def _three(seed: int) -> dict[str, float]:
    pixels, labels = _digits(seed)
    models = [_trained(10 * seed + number, (64, 32, 24, 10), pixels, labels) for number in range(3)]
    inputs, test = pixels[:LEARNED], (pixels[LEARNED:], labels[LEARNED:])
    found = {
        "parents": statistics.mean(_accuracy(made(test[0]), test[1]) for made in models),
        "ensemble": _accuracy(torch.stack([made(test[0]) for made in models]).sum(0), test[1]),
    }
    ends: dict[str, dict[str, Any]] = {
        "": {},
        " + repair": {"repair": True},
        " + regression": {"merge": "regression"},
    }
    for method in ("average", "ot", "weight_matching", "cycle_consistent"):
        for end, options in ends.items():
            fused = fuse(models, method, inputs=inputs, **options)
            found[method + end] = _accuracy(fused(test[0]), test[1])
    for method in ("weight_matching", "cycle_consistent"):
        logits = [
            fuse([models[place] for place in order], method)(test[0])
            for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        ]
        changes = [float((other - logits[0]).abs().max() / logits[0].abs().max()) for other in logits]
        found[f"{method}, change of logits with the order"] = max(changes)
    return found


def _other_classes(seed: int) -> dict[str, float]:
    pixels, labels = _digits(seed)
    widths = (64, 64, 64, 64, 5)
    first, second = (_trained(2 * seed + side, widths, pixels, labels, 5 * side) for side in (0, 1))
    inputs, test = pixels[:LEARNED], (pixels[LEARNED:], labels[LEARNED:])
    joint: dict[str, Any] = {
        "average": _averaged(first, second),
        "weight_matching": _averaged(first, align(first, second, "weight_matching")),
        "activation_matching": _averaged(first, align(first, second, "activation_matching", inputs=inputs)),
        "zipit": zipit(first, second, inputs, until=UNTIL),
        "zipit, beta=0": zipit(first, second, inputs, until=UNTIL, beta=0),
    }
    found = {name: _accuracy(made(test[0]), test[1]) for name, made in joint.items()}
    return {"two networks": _accuracy(torch.cat([first(test[0]), second(test[0])], 1), test[1])} | found


def _averaged(first: nn.Module, second: nn.Module) -> Zipped:
    """The mean of the weights in all hidden layers, with both heads."""
    mine, theirs = first.state_dict(), second.state_dict()
    mean = copy.deepcopy(first)
    mean.load_state_dict({name: (mine[name] + theirs[name]) / 2 for name in mine})
    bases = structure_of(first).bases
    alike = {basis.name: torch.arange(basis.size).repeat(2) for basis in bases}
    return Zipped(Cut.of(first, torch.zeros(2, 64), UNTIL), mean, [first, second], bases, alike)


def _digits(seed: int) -> tuple[Tensor, Tensor]:
    pixels, classes = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(classes)[order]


def _trained(seed: int, widths: tuple[int, ...], pixels: Tensor, labels: Tensor, least: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    made = nn.Sequential(*layers[:-1])
    pixels, labels = pixels[:LEARNED], labels[:LEARNED] - least
    mine = (labels >= 0) & (labels < widths[-1])
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(pixels[mine]), labels[mine]).backward()
        optimizer.step()
    return made.eval().requires_grad_(False)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return 100 * float((logits.argmax(1) == labels).double().mean())


def _told(found: dict[str, list[float]]) -> str:
    of = [f"{name} {statistics.mean(rows):.4g} ± {statistics.stdev(rows):.2g}" for name, rows in found.items()]
    return f"test accuracy in %, n = {len(next(iter(found.values())))}: {'; '.join(of)}"
