"""kNN over a bank of 50,000 x 512 features, k = 200, against lightly's: that of CIFAR-10 with a ResNet18.

lightly's side is `knn_predict` in batches of 512 queries, the loop of its CIFAR-10 benchmark, on features that are
normalised already; ours normalises queries and bank each time. Both run on the same features with two threads, in
turns, each the best of `REPEATS`. Classes count: lightly makes a number for each neighbour and class.
"""

import time
from typing import Any

import torch
import torch.nn.functional as F
from lightly.utils.benchmarking import knn_predict
from torch import Tensor

from framework.ssl.evaluation.knn import knn_scores

BANK, WIDTH, QUERIES = 50_000, 512, 1_024
NEIGHBOURS, BATCH, THREADS, REPEATS = 200, 512, 2, 3
CLASSES = (10, 100, 1000)
TARGET = 2.0
LIMIT = (
    "what limits it: the products of all pairs, {share:.0%} of lightly's time, are {rate:.0f} GFLOP/s in single "
    "precision; with nothing else to do it would be {most:.1f} times"
)


def measure() -> list[dict[str, Any]]:
    """A row for each number of classes: seconds of each side, their ratio, and how many predictions are equal."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return [_against_lightly(classes) for classes in CLASSES]
    finally:
        torch.set_num_threads(threads)


def features(count: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows (count, 512) around the centres of their classes, near enough to mix, and their classes."""
    centres = torch.randn(classes, WIDTH, generator=torch.Generator().manual_seed(0))
    numbers = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=numbers)
    return 0.15 * centres[labels] + torch.randn(count, WIDTH, generator=numbers), labels


def _against_lightly(classes: int) -> dict[str, Any]:
    bank, labels = features(BANK, classes, 1)
    queries, _ = features(QUERIES, classes, 2)
    normal, columns = F.normalize(queries, dim=1), F.normalize(bank, dim=1).t().contiguous()
    near = torch.empty(BATCH, BANK)

    def theirs() -> Tensor:
        found = [knn_predict(part, columns, labels, classes, NEIGHBOURS) for part in torch.split(normal, BATCH)]
        return torch.cat(found)[:, 0]

    def products() -> None:
        for part in torch.split(normal, BATCH):
            torch.mm(part, columns, out=near)

    sides = {"ours": lambda: knn_scores(queries, bank, labels, classes).argmax(dim=1), "theirs": theirs}
    seconds: dict[str, list[float]] = {"ours": [], "theirs": [], "products": []}
    found: dict[str, Any] = {}
    for _ in range(REPEATS):
        for name, work in {**sides, "products": products}.items():
            start = time.perf_counter()
            found[name] = work()
            seconds[name].append(time.perf_counter() - start)
    ours_s, theirs_s, products_s = (min(seconds[name]) for name in ("ours", "theirs", "products"))
    different, ratio = int((found["ours"] != found["theirs"]).sum()), theirs_s / ours_s
    rate = 2 * QUERIES * BANK * WIDTH / products_s / 1e9
    return {
        "name": f"kNN: {QUERIES:,} queries, a bank of {BANK:,} x {WIDTH}, k = {NEIGHBOURS}, {classes} classes",
        "measured": f"{ours_s:.2f} s, lightly {theirs_s:.2f} s: {ratio:.2f} times faster; {different} of "
        f"{QUERIES:,} predictions differ",
        "target": f"≥ {TARGET:.0f} times, none differs",
        "reached": ratio >= TARGET and different == 0,
        "note": LIMIT.format(share=products_s / theirs_s, rate=rate, most=theirs_s / products_s),
    }
