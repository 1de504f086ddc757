"""Multi-task learning: steps of a large network, the price of balancing, and many small ones at once.

    plain    the same model in plain PyTorch: one forward pass over both tasks' samples, one step
    seed     a loop as the thesis code had it: Lightning, manual optimisation, a forward pass a task, anomalies
             looked for, a loader a task with a worker each
    ours     `TaskTraining` under Lightning with its callbacks, as `train_tasks` runs it

The configuration of the first two rows is width 2,048, depth 6, NTK, SGD, batches of 64 of 256 + 512 samples. Each
round does all, so that what else the machine does falls on each.
"""

import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from framework.multitask.config import TasksConfig
from framework.multitask.data.samples import samples_of
from framework.multitask.training.train import network_of, train_tasks
from framework.training.trainer import silence
from tests.lab import Lab

WIDTH, DEPTH, RATE, ROUNDS, EPOCHS = 2048, 6, 1e-6, 3, 2
BALANCED = ("uncertainty", "famo", "pcgrad", "upgrad", "cagrad", "nash_mtl")
SEEDS = 20


def measure() -> Iterator[dict[str, Any]]:
    """Steps beside plain PyTorch and the seed's loop, balancing beside the sum, seeds at once and one by one."""
    yield from _large()
    yield _together()


def _config(**training: Any) -> TasksConfig:
    given = {"optimizer": "sgd", "learning_rate": RATE, "max_epochs": EPOCHS, **training}
    network = {"kind": "abc_mlp", "width": WIDTH, "depth": DEPTH, "parametrisation": "ntk"}
    return TasksConfig.parse({"network": network, "training": given, "log_every": EPOCHS, "device": "cpu"})


def _large() -> Iterator[dict[str, Any]]:
    kinds = {"sum": _config(), **{kind: _config(balancing=kind) for kind in BALANCED}}
    ways: dict[str, Callable[[], float]] = {
        "plain": _plain,
        "seed": _as_the_seed,
        **{kind: lambda own=own: _ours(own) for kind, own in kinds.items()},
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(way())
    seconds = {name: statistics.median(found) for name, found in times.items()}
    ours, rate = seconds["sum"], {name: 1 / found for name, found in seconds.items()}
    about = f"width {WIDTH:,}, depth {DEPTH}, batches of 64"
    yield {
        "name": f"two tasks, {about}: steps a second beside the same model in plain PyTorch",
        "measured": f"{rate['sum']:.2f} of {rate['plain']:.2f}: {rate['sum'] / rate['plain']:.2f}",
        "target": "≥ 0.9",
        "reached": rate["sum"] >= 0.9 * rate["plain"],
    }
    yield {
        "name": f"the same beside a loop as the seed's, {about}",
        "measured": f"{rate['sum']:.2f}, {rate['seed']:.2f}: {rate['sum'] / rate['seed']:.2f} times",
        "target": "≥ 2 times",
        "reached": rate["sum"] >= 2 * rate["seed"],
    }
    shown = ", ".join(f"{kind} {seconds[kind] / ours:.2f}" for kind in BALANCED)
    yield {
        "name": f"a balanced step beside that of the plain sum, {about}",
        "measured": shown,
        "target": "≤ 1.6 each",
        "reached": all(seconds[kind] <= 1.6 * ours for kind in BALANCED),
    }


class _Run:
    """What `train_tasks` takes for a run, over nothing."""

    def __init__(self, folder: Path) -> None:
        from framework.tracking.journal import Journal
        from framework.tracking.progress import Progress

        self.folder = folder
        self.progress = Progress(folder, Journal(lambda entry, again: None), None)

    def log(self, row: dict[str, Any]) -> None:
        """Forget it."""

    def log_table(self, name: str, frame: Any) -> None:
        """Forget it."""

    def summarise(self, values: dict[str, Any]) -> None:
        """Forget it."""


class _Clock(pl.Callback):
    """The median seconds of a step, from the end of one to the end of the next."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        return _between(self.ends)


def _between(ends: list[float]) -> float:
    """The median time from one to the next; the first is left out."""
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(ends[1:]))


def _ours(config: TasksConfig) -> float:
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        run: Any = _Run(Path(folder))
        train_tasks([config], [run], lambda runs, samples: [clock])
    return clock.seconds


def _tasks() -> dict[str, tuple[Tensor, Tensor, list[int]]]:
    samples = samples_of(_config().data, 0)
    return {name: (own.train.x, own.train.y, list(own.outputs)) for name, own in samples.items()}


def _plain() -> float:
    network, tasks = network_of(_config(), "task_0"), _tasks()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    ends = []
    for _ in range(EPOCHS):
        orders = {name: torch.tensor_split(torch.randperm(len(x)), 12) for name, (x, _, _) in tasks.items()}
        for step in range(12):
            rows = {name: orders[name][step] for name in tasks}
            predicted = network(torch.cat([x[rows[name]] for name, (x, _, _) in tasks.items()]))
            parts = torch.split(predicted, [len(one) for one in rows.values()])
            losses = [
                (part[:, seen] - y[rows[name]][:, seen]).square().sum()
                for part, (name, (_, y, seen)) in zip(parts, tasks.items(), strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            ends.append(time.perf_counter())
    return _between(ends)


class _SeedModule(pl.LightningModule):
    """A step as the thesis code made it."""

    def __init__(self, network: nn.Module, seen: dict[str, list[int]]) -> None:
        super().__init__()
        self.network, self.seen = network, seen
        self.automatic_optimization = False

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), lr=RATE)

    def training_step(self, batch: dict[str, list[Tensor]], batch_idx: int) -> None:
        losses = [
            (self.network(x)[:, self.seen[name]] - y[:, self.seen[name]]).square().sum()
            for name, (x, y) in batch.items()
        ]
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(torch.stack(losses).sum())
        optimizer.step()


def _as_the_seed() -> float:
    clock, tasks = _Clock(), _tasks()
    module = _SeedModule(network_of(_config(), "task_0"), {name: seen for name, (_, _, seen) in tasks.items()})
    sizes = {"task_0": 21, "task_1": 43}
    loaders = {
        name: DataLoader(TensorDataset(x, y), batch_size=sizes[name], shuffle=True, num_workers=1)
        for name, (x, y, _) in tasks.items()
    }
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[clock], detect_anomaly=True,
        )  # fmt: skip
        trainer.fit(module, loaders)
    return clock.seconds


# --- many small ones -----------------------------------------------------------------------------------------

SWEEP = """\
name: {name}
project: lab
method: grid
command: ["${{env}}", python, -m, experiments, multitask]
parameters:
  figures_every: {{value: 0}}
  prediction_points: {{value: 0}}
  log_every: {{value: 64}}
  network: {{value: {{kind: abc_mlp, width: 32, parametrisation: standard}}}}
  training: {{value: {{max_epochs: {epochs}, learning_rate: 0.003}}}}
  seed: {{values: [{seeds}]}}
"""
SMALL_EPOCHS = 512


def _together() -> dict[str, Any]:
    """One worker each: all seeds at once, and one after the other in warm children."""
    with tempfile.TemporaryDirectory() as text:
        lab = Lab.make(Path(text))
        try:
            _sweep(lab, "first", 1, range(1))  # the server is there, and everything imported once
            alone = _sweep(lab, "alone", 1, range(100, 100 + SEEDS))
            at_once = _sweep(
                lab, "at_once", SEEDS, range(200, 200 + SEEDS)
            )  # others: what is done is not run again
        finally:
            lab.close()
    return {
        "name": f"{SEEDS} seeds of width 32, {SMALL_EPOCHS} epochs, one worker: one after the other, and at once",
        "measured": f"{alone:.1f} s, {at_once:.1f} s: {alone / at_once:.1f} times",
        "target": "≥ 10 times",
        "reached": alone >= 10 * at_once,
    }


def _sweep(lab: Lab, name: str, together: int, seeds: range) -> float:
    path = lab.folder / f"{name}.yaml"
    numbers = ", ".join(map(str, seeds))
    path.write_text(SWEEP.format(name=name, epochs=SMALL_EPOCHS, seeds=numbers))
    begun = time.perf_counter()
    done = lab.sashiko("sweep", str(path), "--workers", "1", "--together", str(together), timeout_s=1800)
    if done.returncode != 0 or f"{len(seeds)} run" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return time.perf_counter() - begun
