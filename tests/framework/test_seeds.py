"""Seeds: what is one, and that every one can be used wherever a seed is taken."""

import numpy as np
import pytest
import torch
from torch import nn

from framework.config import LEAST_SEED, SEEDS_END
from framework.data.config import DataConfig
from framework.data.sampling import STRATEGIES, Candidates
from framework.data.vision import ImageSet, load_splits
from framework.errors import ConfigError, InvalidInput
from framework.fusion import fuse, merge
from framework.fusion.merging.fisher import fisher_information
from framework.fusion.regression import regress
from framework.fusion.structure import structure_of
from framework.mappings import METHODS
from framework.metrics import angles, cka, hessian_trace, measure, mutual_knn, similarities, top_eigenvalue
from framework.seeds import is_seed, numpy_numbers, torch_numbers, unsigned
from framework.training.augmentation import FlipCrop
from framework.training.batches import batches
from framework.training.label_noise import with_label_noise
from framework.training.refine import fine_tune
from framework.training.refine_config import RefineConfig

ENDS = (LEAST_SEED, -1, 2**32, SEEDS_END - 1)
WRONG = (SEEDS_END, LEAST_SEED - 1, 2**70, 1.5, "a", True, None)
X = np.random.default_rng(0).normal(size=(30, 4))
INPUTS = torch.rand(12, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 3


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def pick(strategy):
    candidates = Candidates(np.arange(30) % 3, X[:, 0], X, (0, 1, 2))
    return lambda seed: STRATEGIES[strategy](candidates, 6, seed)


def regressed(seed):
    models = [net(0), net(1)]
    return regress(models[0], models, structure_of(models[0], INPUTS), INPUTS, [0.5, 0.5], seed=seed)


def drawn(seed):
    images = ImageSet(torch.rand(8, 3, 6, 5), torch.arange(8), torch.arange(8))
    loader = batches(images, 4, seed, 0, torch.device("cpu"))
    return [len(batch[0]) for batch in FlipCrop(loader, torch.zeros(3), seed)]


def noisy(seed):
    return with_label_noise(ImageSet(INPUTS, LABELS, torch.arange(12)), 0.5, seed)


FUNCTIONS = {
    "cka": lambda seed: cka(X, X, null=2, seed=seed),
    "cka without a null": lambda seed: cka(X, X, null=0, seed=seed),
    "angles": lambda seed: angles(X, X, null=0, seed=seed),
    "mutual_knn": lambda seed: mutual_knn(X, X, null=2, seed=seed),
    "similarities": lambda seed: similarities(X, X, null=1, seed=seed),
    "hessian_trace": lambda seed: hessian_trace(net(), (INPUTS, LABELS), seed=seed),
    "top_eigenvalue": lambda seed: top_eigenvalue(net(), (INPUTS, LABELS), seed=seed),
    "fisher_information": lambda seed: fisher_information(net(), INPUTS, seed=seed),
    "regress": regressed,
    "with_label_noise": noisy,
    "mlp": lambda seed: METHODS["mlp"](seed=seed, epochs=1).fit(X, X),
    **{strategy: pick(strategy) for strategy in STRATEGIES},
}
OPTIONS = {
    "dare": lambda seed: merge([net(0), net(1)], net(2), "dare", seed=seed),
    "fisher": lambda seed: merge([net(0), net(1)], method="fisher", inputs=INPUTS, num_samples=9, seed=seed),
    "regmean": lambda seed: merge([net(0), net(1)], method="regmean", inputs=INPUTS, num_samples=9, seed=seed),
    "ot": lambda seed: fuse([net(0), net(1)], inputs=INPUTS, source="activations", num_samples=9, seed=seed),
    "weight_matching": lambda seed: fuse([net(0), net(1)], "weight_matching", inputs=INPUTS, seed=seed),
    "cycle_consistent": lambda seed: fuse(
        [net(0), net(1)], "cycle_consistent", inputs=INPUTS, starts=3, seed=seed
    ),
    "activation_matching": lambda seed: fuse(
        [net(0), net(1)], "activation_matching", inputs=INPUTS, num_samples=9, seed=seed
    ),
    "sinkhorn_matching": lambda seed: fuse(
        [net(0), net(1)], "sinkhorn_matching", inputs=INPUTS, labels=LABELS, steps=2, batch_size=4, seed=seed
    ),
}


@pytest.mark.parametrize("seed", ENDS)
@pytest.mark.parametrize("name", [*FUNCTIONS, *OPTIONS])
def test_every_seed_can_be_used_and_says_the_same_again(name, seed):
    call = (FUNCTIONS | OPTIONS)[name]
    assert str(call(seed)) == str(call(seed))


@pytest.mark.parametrize("seed", WRONG)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_refuses_what_is_no_seed_in_words(name, seed):
    with pytest.raises(InvalidInput) as caught:
        FUNCTIONS[name](seed)
    assert f"seed: is {seed!r}; allowed: whole numbers from -2^63 to below 2^64" in str(caught.value)


@pytest.mark.parametrize("seed", WRONG)
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_refuses_what_is_no_seed_in_words(name, seed):
    with pytest.raises(ConfigError, match=r"seed: is .*; allowed: (an integer|less than|greater than)"):
        OPTIONS[name](seed)


def test_measure_refuses_no_seed_whatever_it_measures():
    nothing = dict.fromkeys(("lipschitz", "hessian", "sharpness", "pac_bayes"))
    with pytest.raises(InvalidInput, match=f"seed: is {2**70}; allowed: whole numbers"):
        measure(net(), (INPUTS, LABELS), nothing, seed=2**70)


@pytest.mark.parametrize("seed", ENDS)
def test_every_seed_splits_orders_and_trains(seed):
    splits = load_splits(DataConfig(split_seed=seed))
    assert len(splits.val) == 144
    assert not torch.equal(splits.val.indices, load_splits(DataConfig()).val.indices)
    assert drawn(seed) == [4, 4]
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = fine_tune(model, splits, RefineConfig(epochs=1, seed=seed, device="cpu"), augment="flip_crop")
    assert len(found.rows) == 1


def test_seeds_that_were_always_taken_draw_what_they_always_drew():
    for seed in (0, 1, 2**63):
        assert numpy_numbers(seed).integers(2**62) == np.random.default_rng(seed).integers(2**62)
        assert torch.equal(
            torch.rand(3, generator=torch_numbers(seed)),
            torch.rand(3, generator=torch.Generator().manual_seed(seed)),
        )
    assert torch_numbers(-5).initial_seed() == torch.Generator().manual_seed(-5).initial_seed()
    assert unsigned(-1) == 2**64 - 1
    assert is_seed(np.int64(3))
