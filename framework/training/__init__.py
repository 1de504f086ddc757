"""Training: one function that builds the Trainer, LightningModules, and callbacks that log to a run.

Importing this package is light; the names below bring torch and Lightning with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.training.checkpoints import load_model as load_model
    from framework.training.evaluation import Evaluation as Evaluation
    from framework.training.evaluation import load_evaluation as load_evaluation
    from framework.training.refine import Refined as Refined
    from framework.training.refine import distil as distil
    from framework.training.refine import fine_tune as fine_tune
    from framework.training.train import train_model as train_model

_HOMES = {
    "Evaluation": "framework.training.evaluation",
    "Refined": "framework.training.refine",
    "distil": "framework.training.refine",
    "fine_tune": "framework.training.refine",
    "load_evaluation": "framework.training.evaluation",
    "load_model": "framework.training.checkpoints",
    "train_model": "framework.training.train",
}

__getattr__ = lazy(__name__, _HOMES)
