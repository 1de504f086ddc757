"""Training: one function that builds the Trainer, LightningModules, and callbacks that log to a run.

Importing this package is light; the names below bring torch and Lightning with them at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.training.checkpoints import load_model as load_model
    from framework.training.evaluation import Evaluation as Evaluation
    from framework.training.evaluation import load_evaluation as load_evaluation
    from framework.training.train import train_autoencoder as train_autoencoder

_HOMES = {
    "Evaluation": "framework.training.evaluation",
    "load_evaluation": "framework.training.evaluation",
    "load_model": "framework.training.checkpoints",
    "train_autoencoder": "framework.training.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
