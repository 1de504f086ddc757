"""Model soups: the mean of fine-tuned models, of all of them or of those that help.

    uniform   θ = 1/k Σ_i θ_i                                                                                   (1)
    greedy    sort the models by their val score, best first; ingredients = {}
              for each model: keep it if score(mean(ingredients + model)) >= score(mean(ingredients))           (2)
              θ = mean(ingredients)

(Wortsman, Ilharco, Gadre, Roelofs, Gontijo-Lopes, Morcos, Namkoong, Farhadi, Carmon, Kornblith and Schmidt, "Model
soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time", 2022,
table 1 and recipe 1.)

The best model by itself is always an ingredient, so that on val the soup is never worse than it. Which models
are kept depends on val alone.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from framework.fusion.merging.vectors import State, mean

Score = Callable[[Sequence[int]], float]


class Ingredients(NamedTuple):
    """The models of a soup, by number, in the order in which they were added, and the val score of the soup."""

    kept: tuple[int, ...]
    score: float


def uniform(states: Sequence[State]) -> dict[str, Tensor]:
    """Equation (1)."""
    return mean(states)


def greedy(number: int, score: Score) -> Ingredients:
    """Recipe (2) for so many models.

    Args:
        number: Of the models.
        score: The val score of the uniform soup of the models with these numbers; more is better.
    """
    alone = [score([index]) for index in range(number)]
    order = sorted(range(number), key=lambda index: -alone[index])  # stable: the first of equal ones is first
    kept, best = [order[0]], alone[order[0]]
    for index in order[1:]:
        reached = score([*kept, index])
        if reached >= best:
            kept, best = [*kept, index], reached
    return Ingredients(tuple(kept), best)
