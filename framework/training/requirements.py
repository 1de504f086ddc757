"""What a model requires: the training that it goes on from, or whose weights it begins with. Knows no tensor."""

from framework.config import Config
from framework.plan import Work
from framework.training.config import TrainingConfig
from framework.training.starts import before

MODEL = "model"


def required_models(kind: str, config: Config) -> list[Work]:
    """The model that has to be there before one of the kind `model` can be made; none of any other kind.

    Every Manager that makes models, or trains one in a run, lists it in `requires`.
    """
    if kind != MODEL or not isinstance(config, TrainingConfig):
        return []
    other = before(config)
    return [] if other is None else [Work(MODEL, other)]
