import itertools

import pytest
import torch

from framework.fusion import merge
from framework.fusion.merging import combine
from framework.fusion.merging.config import GreedySoup
from framework.fusion.merging.soup import greedy
from tests.framework.fusion.merging.models import close, family, weights


def test_the_uniform_soup_is_the_mean():
    _, models = family()
    made = weights(merge(models, method="soup"))
    for name, tensor in made.items():
        expected = torch.stack([weights(model)[name] for model in models]).mean(0)
        assert torch.allclose(tensor, expected, atol=1e-7)


def recipe_one(values, number):
    """The greedy soup as the paper writes it: ingredients are a set, and the mean is scored again each time."""
    order = sorted(range(number), key=lambda index: values[(index,)], reverse=True)
    ingredients = []
    for index in order:
        with_it = tuple(sorted([*ingredients, index]))
        if not ingredients or values[with_it] >= values[tuple(sorted(ingredients))]:
            ingredients.append(index)
    return ingredients


@pytest.mark.parametrize("seed", range(20))
def test_the_greedy_soup_is_recipe_one(seed):
    number = 4
    generator = torch.Generator().manual_seed(seed)
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(number), size) for size in range(1, number + 1)
    )
    values = {subset: float(torch.randint(10, (), generator=generator)) for subset in subsets}
    found = greedy(number, lambda numbers: values[tuple(sorted(numbers))])
    assert list(found.kept) == recipe_one(values, number)
    assert found.score == values[tuple(sorted(found.kept))]
    assert found.score >= max(values[(index,)] for index in range(number))


def test_a_model_that_does_not_help_is_left_out_and_equal_scores_are_taken():
    _, models = family()
    alone = {0: 0.5, 1: 0.9, 2: 0.7}
    first = {id_of(model): number for number, model in enumerate(models)}

    def score(module):
        return alone[first[id_of(module)]] if id_of(module) in first else -1.0

    made = combine(models, None, GreedySoup(), score=score)
    assert made.chosen == {"kept": (1,), "val_score": 0.9}
    assert close(made.model, models[1], atol=0)
    even = combine(models, None, GreedySoup(), score=lambda module: 1.0)
    assert even.chosen["kept"] == (0, 1, 2)
    assert close(even.model, merge(models, method="soup"), atol=1e-7)


def id_of(module):
    return float(next(module.parameters()).detach().double().sum())


def test_val_is_what_is_scored():
    base, models = family(number=2, size=2.0)
    images = torch.randn(40, 1, 8, 8)
    labels = models[1].eval()(images).argmax(dim=1)
    made = combine(models, base, GreedySoup(), val=(images, labels))
    assert made.chosen["kept"][0] == 1
    assert made.chosen["val_score"] == 1.0
