import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.vision import ImageSet
from framework.errors import ConfigError, InvalidInput, SashikoError
from framework.models import build
from framework.models.config import MLP, VGG, MLPAutoencoder
from framework.training import distil, fine_tune
from framework.training.refine import Distillation, divergence_per_image
from framework.training.refine_config import RefineConfig

SHAPE = (1, 8, 8)


def config(**changes):
    return RefineConfig.parse({"epochs": 2, "device": "cpu", "learning_rate": 5e-3} | changes)


@pytest.fixture(scope="module")
def splits():
    return load_splits(DataConfig())


@pytest.fixture(scope="module")
def teacher(splits):
    torch.manual_seed(0)
    model = build(MLP(hidden=(64, 32)), SHAPE)
    return fine_tune(model, splits, config(epochs=10)).model


def small(seed=1, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Dropout(dropout), nn.Linear(24, 10))


def kept(model):
    modes = [module.training for module in model.modules()]
    gradients = [parameter.requires_grad for parameter in model.parameters()]
    return modes, gradients, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def unchanged(model, before):
    now = kept(model)
    assert now[:2] == before[:2]
    return now[2].keys() == before[2].keys() and same(now[2], before[2])


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_and_gives_the_epoch_with_the_least_val_error(splits, teacher):
    with torch.no_grad():
        right = teacher(splits.test.images).argmax(dim=1) == splits.test.labels
    assert right.float().mean() > 0.9
    refined = fine_tune(small(), splits, config(epochs=4, learning_rate=0.05))
    assert [row["epoch"] for row in refined.rows] == [1, 2, 3, 4]
    names = {"epoch", "learning_rate", "train/cross_entropy", "val/cross_entropy", "val/accuracy"}
    assert set(refined.rows[0]) == names
    with torch.no_grad():
        error = F.cross_entropy(refined.model(splits.val.images), splits.val.labels)
    assert float(error) == pytest.approx(min(row["val/cross_entropy"] for row in refined.rows), rel=1e-4)


def test_the_best_weights_are_a_copy_that_stays_when_validation_worsens(splits):
    steps = {
        "optimizer": {"kind": "sgd", "momentum": 0.0},
        "schedule": "multistep",
        "milestones": [1],
        "gamma": 0.1,
    }
    torch.manual_seed(2)
    good = fine_tune(small(), splits, config(epochs=8, learning_rate=0.01)).model
    refined = fine_tune(good, splits, config(epochs=3, learning_rate=8.0, **steps))
    errors = [row["val/cross_entropy"] for row in refined.rows]
    with torch.no_grad():
        error = F.cross_entropy(refined.model(splits.val.images), splits.val.labels)
    assert float(error) == pytest.approx(min(errors), rel=1e-4)
    assert max(errors) > min(errors)


def test_what_is_given_stays_as_it_is(splits, teacher):
    student, master = small(dropout=0.3).train(), copy.deepcopy(teacher).train()
    student[3].eval()
    befores, random = (kept(student), kept(master)), torch.get_rng_state()
    for refined in (fine_tune(student, splits, config()), distil(student, master, splits, config())):
        assert unchanged(student, befores[0])
        assert unchanged(master, befores[1])
        assert torch.equal(torch.get_rng_state(), random)
        assert not refined.model.training
        assert not same(refined.model.state_dict(), student.state_dict())


def test_equal_arguments_give_equal_weights_and_seeds_differ(splits):
    model = small(dropout=0.5)
    first, again, other = (fine_tune(model, splits, config(seed=seed)) for seed in (3, 3, 4))
    assert same(first.model.state_dict(), again.model.state_dict())
    assert first.rows == again.rows
    assert not same(first.model.state_dict(), other.model.state_dict())


def test_frozen_parameters_stay(splits):
    model = small()
    model[1].requires_grad_(False)
    refined = fine_tune(model, splits, config(weight_decay=0.1)).model
    assert same(refined[1].state_dict(), model[1].state_dict())
    assert not torch.equal(refined[4].weight, model[4].weight)
    assert not refined[1].weight.requires_grad


def test_a_network_with_normalisation_comes_back_as_contiguous_as_it_was(splits):
    model = build(VGG(width=0.05), SHAPE)
    refined = fine_tune(model, splits, config(epochs=1)).model
    assert all(p.is_contiguous() for p in refined.parameters())
    assert refined.features[1].num_batches_tracked > 0


def test_the_schedule_and_the_optimiser_are_those_of_the_config(splits):
    changes = {"optimizer": {"kind": "sgd"}, "schedule": "cosine", "warmup_epochs": 1, "learning_rate": 0.1}
    rows = fine_tune(small(), splits, config(epochs=3, **changes)).rows
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.05, 0.1, 0.05])


def test_the_divergence_by_hand():
    teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    p, q = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(2))
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert divergence_per_image(teacher, student, 2.0).item() == pytest.approx(expected)
    assert divergence_per_image(teacher, teacher, 2.0).item() == pytest.approx(0)


def test_the_loss_of_distillation_by_hand():
    # One image of class 0; the student's logits are its pixels (0, 4), the teacher's are (2, 0), T = 2.
    training = Distillation(nn.Flatten(), config(temperature=2.0, alpha=0.25))
    batch = [torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2), torch.tensor([0]), torch.tensor([[2.0, 0.0]])]
    step = training.training_step(batch, 0)
    p, q = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(2))
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    error = math.log(1 + math.exp(4))
    assert step["loss"].item() == pytest.approx(0.25 * 4 * divergence + 0.75 * error)
    assert step["divergence"].item() == pytest.approx(divergence)
    assert step["cross_entropy"].item() == pytest.approx(error)


def test_without_weight_on_the_labels_they_are_not_read(splits, teacher):
    turned = replace(splits.train, labels=splits.train.labels.flip(0))
    student = small()
    first, second = (
        distil(student, teacher, data, config(alpha=1.0, epochs=1))
        for data in (splits, replace(splits, train=turned))
    )
    assert same(first.model.state_dict(), second.model.state_dict())


def test_without_weight_on_the_teacher_it_is_fine_tuning(splits, teacher):
    taught = distil(small(), teacher, splits, config(alpha=0.0))
    tuned = fine_tune(small(), splits, config())
    for name, tensor in tuned.model.state_dict().items():
        torch.testing.assert_close(taught.model.state_dict()[name], tensor)


def test_a_student_comes_to_its_teacher(splits, teacher):
    student = small()
    refined = distil(student, teacher, splits, config(epochs=5, alpha=1.0, temperature=3.0))
    with torch.no_grad():
        said, own, before = (
            model(splits.test.images).argmax(dim=1) for model in (refined.model, teacher, student.eval())
        )
    assert (said == own).float().mean() > 0.85 > (before == own).float().mean()
    assert refined.rows[-1]["train/divergence"] < 0.3 * refined.rows[0]["train/divergence"]


def test_a_teacher_with_dropout_teaches_what_it_gives_in_eval_mode(splits):
    plain, noisy = small(seed=5), small(seed=5, dropout=0.9).train()
    students = [distil(small(), master, splits, config(epochs=1)).model for master in (plain, noisy)]
    assert same(students[0].state_dict(), students[1].state_dict())


class Constant(nn.Module):
    def forward(self, images):
        return torch.zeros(len(images), 10)


def test_a_teacher_may_be_anything_that_gives_logits(splits):
    assert len(distil(small(), Constant(), splits, config(epochs=1)).rows) == 1


@pytest.mark.parametrize(
    ("refine", "message"),
    [
        (
            lambda s: fine_tune(Constant(), s, config()),
            "model: is a Constant without a parameter that needs a grad",
        ),
        (
            lambda s: fine_tune(small().requires_grad_(False), s, config()),
            "model: is a Sequential without a param",
        ),
        (
            lambda s: fine_tune(build(MLPAutoencoder(), SHAPE), s, config()),
            r"model: is a DenseAutoencoder that gives \(2, 1, 8, 8\) .*allowed: logits \(2, K\) of at least 10",
        ),
        (lambda s: fine_tune(nn.Sequential(nn.Flatten(), nn.Linear(64, 9)), s, config()), r"gives \(2, 9\)"),
        (lambda s: distil(nn.Linear(8, 10), small(), s, config()), "student: is a Linear that gives"),
        (
            lambda s: distil(small(), nn.Sequential(nn.Flatten(), nn.Linear(64, 12)), s, config()),
            r"teacher: gives \(12,\) for an image; allowed: logits of 10 classes",
        ),
    ],
)
def test_what_cannot_be_refined_is_refused(refine, message, splits):
    with pytest.raises(InvalidInput, match=message):
        refine(splits)


def test_a_loss_that_is_no_number_stops_it(splits):
    steps = {"optimizer": {"kind": "sgd"}, "learning_rate": 1e30}
    with pytest.raises(SashikoError, match=r"(nan|infinite) loss at step"):
        fine_tune(small(), splits, config(**steps))
    poisoned = ImageSet(splits.val.images * float("nan"), splits.val.labels, splits.val.indices)
    with pytest.raises(SashikoError, match="no epoch has a finite cross-entropy on the val split"):
        fine_tune(small(), replace(splits, val=poisoned), config())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": 1.5}, r"alpha: is 1\.5 .*less than or equal to 1"),
        ({"temperature": 0}, "temperature: is 0 .*greater than 0"),
        ({"max_epochs": 4}, "max_epochs: unknown key"),
        ({"warmup_epochs": 2}, r"warmup_epochs is 2; allowed: below epochs \(2\)"),
        ({"device": "tpu"}, "device: is 'tpu'; allowed: 'auto', 'cpu', 'cuda' or 'mps'"),
    ],
)
def test_what_a_config_refuses(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_a_config_is_known_by_what_changes_the_result():
    assert RefineConfig(device="cpu").config_id == RefineConfig().config_id
    assert (RefineConfig().temperature, RefineConfig().alpha) == (20, 0.7)
    assert len({config(**c).config_id for c in ({}, {"seed": 1}, {"alpha": 0.5}, {"schedule": "linear"})}) == 4


def test_augmented_images_are_those_of_training(splits):
    model = small()
    plain, moved = fine_tune(model, splits, config()), fine_tune(model, splits, config(), augment="flip_crop")
    again = fine_tune(model, splits, config(), augment="flip_crop")
    assert same(moved.model.state_dict(), again.model.state_dict())
    assert not same(moved.model.state_dict(), plain.model.state_dict())
    assert moved.rows[0]["train/cross_entropy"] > plain.rows[0]["train/cross_entropy"]
