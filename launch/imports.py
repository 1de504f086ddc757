"""What a child had to import although its parent could have: the parent imports it before it forks the next.

Libraries import much of themselves when it is first used, and each version something else. A child of a warm
parent begins with what its parent has and forgets the rest at its end, so that without this every run of a sweep
would pay for it again: a quarter of a second for reading one artifact with the client.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterable, Set

SHARED = frozenset({
    "lightning_fabric", "matplotlib", "numpy", "ot", "pandas", "pyarrow", "pydantic", "pytorch_lightning", "scipy",
    "sklearn", "torch", "torchmetrics", "torchvision", "wandb",
})  # fmt: skip
"""Libraries that start no threads and no processes when they are imported: a process with such must not fork."""


def loaded() -> frozenset[str]:
    """The names of all modules that this process has imported."""
    return frozenset(sys.modules)


def late(before: Set[str]) -> list[str]:
    """The modules of shared libraries that were imported since `before`, in the order in which that began."""
    return [name for name in sys.modules if name not in before and name.partition(".")[0] in SHARED]


def catch_up(names: Iterable[str]) -> None:
    """Import what a child has told that it imported; what cannot be imported here stays the children's own."""
    for name in names:
        if name not in sys.modules and name.partition(".")[0] in SHARED:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
