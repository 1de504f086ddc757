"""Evaluation: how good the features of a model are, on data whose labels no self-supervised method has seen.

`api.py` has the evaluations in one line, `comparing.py` several models in one table; each evaluation has a file
of its own (`probe.py`, `knn.py`, `finetune.py`), as have scores, tasks, baselines and the neighbour gallery.
Importing this package is light.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.ssl.evaluation.api import Eval_finetune as Eval_finetune
    from framework.ssl.evaluation.api import Eval_knn as Eval_knn
    from framework.ssl.evaluation.api import Eval_linear as Eval_linear
    from framework.ssl.evaluation.api import Eval_transfer as Eval_transfer
    from framework.ssl.evaluation.comparing import Compare_eval as Compare_eval
    from framework.ssl.evaluation.features import Features as Features
    from framework.ssl.evaluation.features import features_of as features_of
    from framework.ssl.evaluation.knn import knn_scores as knn_scores
    from framework.ssl.evaluation.scores import confusion as confusion
    from framework.ssl.evaluation.tasks import task_of as task_of

# No module of this package may bear one of these names: importing it would put the module in the name's place.
_HOMES = {
    "Compare_eval": "framework.ssl.evaluation.comparing",
    "Eval_finetune": "framework.ssl.evaluation.api",
    "Eval_knn": "framework.ssl.evaluation.api",
    "Eval_linear": "framework.ssl.evaluation.api",
    "Eval_transfer": "framework.ssl.evaluation.api",
    "Features": "framework.ssl.evaluation.features",
    "confusion": "framework.ssl.evaluation.scores",
    "features_of": "framework.ssl.evaluation.features",
    "knn_scores": "framework.ssl.evaluation.knn",
    "task_of": "framework.ssl.evaluation.tasks",
}

__all__ = [
    "Compare_eval",
    "Eval_finetune",
    "Eval_knn",
    "Eval_linear",
    "Eval_transfer",
    "Features",
    "confusion",
    "features_of",
    "knn_scores",
    "task_of",
]

__getattr__ = lazy(__name__, _HOMES)
