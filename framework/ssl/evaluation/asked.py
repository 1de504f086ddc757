"""What is asked of an evaluation: which metrics, of how many classes named, averaged how; refused in one go.

Shapes: N images of test, C classes.
"""

from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.ssl.evaluation.evaluations import EVALUATIONS
from framework.ssl.evaluation.scores import Average, metric_named, score
from framework.ssl.evaluation.tasks import Task
from framework.values import is_number


@dataclass(frozen=True)
class Asked:
    """What is to be told of models: metrics, how many classes a prediction may name, by which evaluations."""

    metrics: list[str]
    top_k: list[int]
    average: Average
    evaluations: list[str]

    def refuse_unknown(self, task: Task) -> None:
        """Refuse every word and number that cannot be used, before anything is computed.

        Raises:
            InvalidInput: with all of them.
        """
        problems: list[Problem] = []
        for metric in self.metrics:
            try:
                metric_named(metric)
            except InvalidInput as error:
                problems += error.problems
        for top_k in self.top_k:
            if not (is_number(top_k, whole=True) and 1 <= top_k <= task.num_classes):
                told = f"is {top_k!r}, and {task.name} has {task.num_classes} classes"
                problems.append(Problem("top_k", f"{told}; allowed: 1 to {task.num_classes}"))
        if self.average not in get_args(Average):
            problems.append(Problem("average", f"is {self.average!r}; allowed: {', '.join(get_args(Average))}"))
        problems += [
            Problem("evaluations", f"is {name!r}; {nearest(str(name), list(EVALUATIONS))}")
            for name in self.evaluations
            if name not in EVALUATIONS
        ]
        for key in ("metrics", "top_k", "evaluations"):
            if not getattr(self, key):
                problems.append(Problem(key, "is empty; allowed: one or more"))
        if problems:
            raise InvalidInput(problems, "evaluation")

    def value(self, scores_NC: Tensor, task: Task, metric: str, top_k: int) -> float:
        """The metric of class scores (N, C) on the test split."""
        return score(scores_NC, task.test.labels, metric, top_k=top_k, average=self.average)
