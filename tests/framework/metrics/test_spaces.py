import copy
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from framework.data.vision import ImageSet, Splits
from framework.errors import ConfigError, InvalidInput
from framework.metrics.correlation import correlations
from framework.metrics.hessian import Hessian
from framework.metrics.pac_bayes import PAC_BAYES
from framework.metrics.sharpness import SHARPNESS
from framework.metrics.spaces import measure, spectral_density
from framework.metrics.spaces_config import MetricsConfig
from framework.metrics.spaces_rows import train_batches
from tests.framework.metrics.networks import convolutional, fitted, numbers, snapshot
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

CONFIG = MetricsConfig.parse(
    {
        "lipschitz": {"max_iterations": 20},
        "hessian": {"batches": 2, "batch_size": 16, "density_steps": 8, "density_bins": 50},
        "sharpness": {"batches": 3, "batch_size": 16, "restarts": 3, "ascent_steps": 3, "depth": 10},
        "pac_bayes": {"batches": 3, "batch_size": 16, "draws": 5, "depth": 10, "plain": {"high": 1.0}},
    }
)
PREDICTION = {
    "accuracy": "test",
    "cross_entropy": "test",
    "train_accuracy": "train",
    "train_cross_entropy": "train",
    "generalisation_gap": "train and test",
    "cross_entropy_gap": "train and test",
    "inverse_gap": "train and test",
}


def images(count, seed):
    labels = torch.arange(count) % 4
    pixels = torch.randn(count, 1, 8, 8, generator=numbers(seed)) + labels[:, None, None, None]
    return ImageSet(pixels, labels, torch.arange(count))


def splits():
    one = torch.ones(1)
    return Splits("synthetic", images(80, 0), images(20, 1), images(40, 2), one, one, "unit")


def network():
    return fitted(convolutional().float(), [(splits().train.images, splits().train.labels)])


def measured(model=None, config=CONFIG, data=None, **given):
    rows = measure(model or network(), data or splits(), config, **({"seed": 3} | given))
    return {row.metric: row for row in rows}


def test_every_measure_is_there_with_what_it_means():
    initial = copy.deepcopy(network()).requires_grad_(False)
    initial[8].weight.zero_()
    found = measured(initial=[initial])
    complexity = [name for name in (*SHARPNESS, *PAC_BAYES) if name.endswith(("_init", "_orig"))]
    assert set(found) == {
        "lipschitz_lower_estimate",
        "hessian_top_eigenvalue",
        "hessian_trace",
        *SHARPNESS,
        *PAC_BAYES,
        *(f"{name}_bound" for name in complexity),
        *PREDICTION,
    }
    assert len(complexity) == 8
    for name, row in found.items():
        expected = {"lipschitz_lower_estimate": "none"} | PREDICTION
        assert row.split == expected.get(name, "train")
        assert row.space == {"lipschitz_lower_estimate": "input"}.get(
            name, "prediction" if name in PREDICTION else "parameter"
        )
        assert row.seed == 3
        assert row.unit
        assert row.seconds >= 0
    assert found["accuracy"].better == found["inverse_gap"].better == "higher"
    assert found["sharpness_orig"].better == "lower"


def test_bounds_are_of_the_train_images():
    found = measured()
    for name in ("sharpness_orig", "flatness_mag_orig"):
        assert found[f"{name}_bound"].value == pytest.approx(math.sqrt(found[name].value / (2 * 79)))


def test_costs_are_said():
    found = measured()
    assert found["hessian_trace"].cost.startswith("batches=2 images=32 probes=0 standard_error=0")
    assert found["sharpness_orig"].cost.startswith("batches=3 images=48 restarts=3 ascent_steps=3 step=prop")
    assert found["flatness_orig"].bracketed is found["sharpness_orig"].bracketed is True
    assert found["flatness_orig"].moved is None
    assert found["sharpness_orig"].moved > 0.1
    assert found["sharpness_flatness"].value == pytest.approx(1 / found["sharpness_flatness"].sigma ** 2)
    assert found["accuracy"].sigma is found["accuracy"].bracketed is None
    few = MetricsConfig.parse({"pac_bayes": {"batches": 3, "depth": 12, "plain": {"high": 1e-6}}})
    assert measured(config=few)["flatness_orig"].bracketed is False
    assert measured(config=few)["flatness_mag_orig"].bracketed is True
    assert found["accuracy"].cost == "images=40"


def test_groups_can_be_left_out():
    nothing = dict.fromkeys(("lipschitz", "hessian", "sharpness", "pac_bayes"))
    only = MetricsConfig.parse(nothing)
    assert set(measured(config=only)) == set(PREDICTION)
    assert measured(config=MetricsConfig.parse(nothing | {"prediction": False})) == {}


def test_without_initial_weights_their_measures_are_absent():
    found = measured()
    assert not [name for name in found if "_init" in name]
    assert "sharpness_orig" in found


def test_of_several_initial_weights_the_farther_ones_count():
    model = network()
    near, far = ({n: t + step for n, t in model.state_dict().items()} for step in (1, 2))
    given = ([far], [near, far], [far, near], [near])
    values = [measured(model, initial=initial)["flatness_init"].value for initial in given]
    assert values[0] == values[1] == values[2] > values[3]


def test_initial_weights_of_one_network_need_no_list():
    model = network()
    far = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    other = copy.deepcopy(model)
    other.load_state_dict(far)
    wanted = measured(model, initial=[far])["flatness_init"].value
    assert [measured(model, initial=one)["flatness_init"].value for one in (far, other)] == [wanted] * 2


def test_it_measures_where_the_caller_has_switched_gradients_off():
    model, data = network(), splits()
    wanted = {name: row.value for name, row in measured(model, data=data).items()}
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = {name: row.value for name, row in measured(model, data=data).items()}
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_the_test_split_is_used_for_nothing_but_prediction():
    changed = splits()
    broken = replace(changed.test, images=torch.full_like(changed.test.images, math.nan))
    changed = replace(changed, test=broken, val=broken)
    before, after = measured(), measured(data=changed)
    for name, row in before.items():
        if row.split in ("train", "none"):
            assert after[name].value == row.value
    assert after["accuracy"].value != before["accuracy"].value


def test_the_same_seed_gives_the_same_and_another_does_not():
    model = network()
    first, second, other = (measured(model, seed=seed) for seed in (3, 3, 4))
    assert {n: row.value for n, row in first.items()} == {n: row.value for n, row in second.items()}
    for name in ("hessian_trace", "flatness_orig"):
        assert first[name].value != other[name].value
    assert first["sharpness_orig"].moved != other["sharpness_orig"].moved
    assert first["accuracy"].value == other["accuracy"].value
    assert measured(model, seed=None)["accuracy"].seed == CONFIG.seed


def test_the_model_is_left_alone():
    model = network().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    before = snapshot(model)
    measured(model)
    spectral_density(model, splits(), CONFIG.hessian, seed=0)
    assert snapshot(model) == before


def test_batches_are_of_different_train_images():
    data = splits().train
    batches = train_batches(data, CONFIG.sharpness, 0)
    assert [len(labels) for _, labels in batches] == [16, 16, 16]
    assert len(torch.cat([pixels for pixels, _ in batches]).flatten(1).unique(dim=0)) == 48
    few = ImageSet(data.images[:20], data.labels[:20], data.indices[:20])
    assert [len(labels) for _, labels in train_batches(few, CONFIG.sharpness, 0)] == [16, 4]


def test_the_density_is_of_the_traces_batches():
    model = network()
    found = spectral_density(model, splits(), CONFIG.hessian, seed=3)
    batches = train_batches(splits().train, CONFIG.hessian, 3)
    with Hessian(model, batches, CONFIG.hessian, seed=3) as hessian:
        assert hessian.density().eigenvalues.tolist() == found.eigenvalues.tolist()
    assert found.eigenvalues.max() == pytest.approx(measured(model)["hessian_top_eigenvalue"].value, rel=0.01)
    assert len(found.grid) == len(found.density) == 50


def test_points_of_the_lipschitz_estimate_are_train_images():
    config = MetricsConfig.parse(
        {"lipschitz": {"points": 4}, "hessian": None, "sharpness": None, "pac_bayes": None}
    )
    row = measured(config=config)["lipschitz_lower_estimate"]
    assert row.split == "train"
    assert row.cost.startswith("points=5")


def test_rows_make_the_frame_that_correlations_take():
    rows = []
    for seed in range(4):
        torch.manual_seed(seed)
        model = network()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape))
        config = CONFIG.model_copy(update={"sharpness": None, "pac_bayes": None})
        rows += [
            row._asdict() | {"run": seed, "family": "parent"} for row in measure(model, splits(), config, seed=0)
        ]
    found = correlations(pd.DataFrame(rows), unit="run")
    assert set(found["metric"]) == {"lipschitz_lower_estimate", "hessian_top_eigenvalue", "hessian_trace"}
    assert (found["n"] == 4).all()


def test_bad_input_is_refused():
    model = network()
    with pytest.raises(InvalidInput, match="is missing from the initial weights"):
        measured(model, initial=[{}])
    with torch.no_grad():
        model[4].weight[0] = math.nan
    with pytest.raises(InvalidInput, match=r"4\.weight: holds NaN"):
        measured(model)
    with pytest.raises(ConfigError, match="sharpnes"):
        MetricsConfig.parse({"sharpnes": None})
    with pytest.raises(ConfigError, match="restarts"):
        MetricsConfig.parse({"sharpness": {"restarts": 0}})
