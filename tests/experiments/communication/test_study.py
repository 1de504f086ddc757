"""Real pairs from training to table; every number again by hand."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from experiments.communication.carried import load_side
from experiments.communication.config import Classifiers
from experiments.communication.fused import fused_rows
from experiments.communication.layers import hidden_layers, latents_of
from experiments.communication.maps import fit_all, samples
from framework.data.vision import ImageSet, Splits, load_splits
from framework.errors import InvalidInput
from framework.fusion import fuse
from framework.mappings.config import Affine, Orthogonal
from framework.models.registry import build
from framework.ssl.training.artifact import load_encoder
from framework.training.checkpoints import load_model
from tests.experiments.communication.conftest import encoders, pair, point
from tests.experiments.compared import compared_by

CPU = torch.device("cpu")


def value(run, **where):
    table = run.tables["communication"]
    (found,) = table[np.logical_and.reduce([table[name] == one for name, one in where.items()])]["value"]
    return found


def test_every_number_of_a_pair_of_classifiers_is_a_row(classifiers_run, bench):
    run, config = classifiers_run
    table = run.tables["communication"]
    assert set(table["unit"]) == {"encoder.2", "encoder.4", "network"}
    maps = {"affine_relative", "orthogonal"}
    of_maps = table[table["unit"] != "network"]
    assert set(of_maps["method"]) == maps | {f"{name}_shuffled" for name in maps}
    assert len(of_maps) == 2 * 2 * 4 * 2, "layers, directions, maps, splits"
    of_networks = table[table["unit"] == "network"]
    assert set(of_networks["method"]) == {"first", "second", "average", "weight_matching", "activation_matching"}
    assert len(of_networks) == 2 * (2 * 2 + 3 * 4)
    assert table["value"].notna().all()
    assert set(table["split"]) == {"val", "test"}
    assert table["first"].unique().tolist() == [config.subject.first.config_id]
    assert of_maps.groupby("unit")["dim"].first().to_dict() == {"encoder.2": 16, "encoder.4": 12}
    assert bench.made >= 2


def test_the_same_point_gives_the_same_bits(classifiers_run, bench):
    run, config = classifiers_run
    again = bench.run(config)
    assert again.tables["communication"].equals(run.tables["communication"])


def test_the_summary_has_means_over_both_directions_and_the_best_on_val(classifiers_run):
    run, _ = classifiers_run
    name = "encoder.2/orthogonal/variance_unexplained_test"
    where = {"unit": "encoder.2", "method": "orthogonal", "split": "test"}
    both = [value(run, direction=direction, **where) for direction in ("there", "back")]
    assert run.summary[name] == pytest.approx(np.mean(both))
    fused = [
        run.summary[f"network/{kind}/accuracy_val"]
        for kind in ("average", "weight_matching", "activation_matching")
    ]
    assert compared_by("communication") in run.summary
    assert run.summary["accuracy_val"] == max(fused)


def latents(bench, config, role, layer, split):
    trained = getattr(config.subject, role)
    model = load_model(bench.store["model", trained.config_id], trained)
    images = getattr(load_splits(trained.data), split).images
    with torch.no_grad():
        return model.encoder[: int(layer.split(".")[1]) + 1](images).double().numpy()


@pytest.mark.parametrize("layer", ["encoder.2", "encoder.4"])
def test_the_error_is_that_of_numpys_least_squares(bench, layer):
    config = point(mappings=[{"kind": "affine", "ridges": [0.0]}])
    run = bench.run(config)
    drawn = samples(1293, 200, 0).numpy()
    for direction, roles in (("there", ("first", "second")), ("back", ("second", "first"))):
        z, y = (latents(bench, config, role, layer, "train")[drawn] for role in roles)
        solution, *_ = np.linalg.lstsq(np.column_stack([z, np.ones(len(z))]), y, rcond=None)
        for split in ("val", "test"):
            z, y = (latents(bench, config, role, layer, split) for role in roles)
            left = ((np.column_stack([z, np.ones(len(z))]) @ solution - y) ** 2).sum()
            wanted = left / ((y - y.mean(axis=0)) ** 2).sum()
            found = value(run, unit=layer, method="affine", direction=direction, split=split)
            assert found == pytest.approx(wanted, rel=1e-4)


def test_of_several_ridges_that_of_the_least_error_on_val_is_taken_and_shuffled_rows_tell_nothing():
    numbers = torch.Generator().manual_seed(0)
    source = {split: torch.randn(60, 40, generator=numbers) for split in ("train", "val", "test")}
    truth = torch.randn(40, 5, generator=numbers)
    target = {split: z @ truth + torch.randn(60, 5, generator=numbers) for split, z in source.items()}
    drawn = torch.arange(60)

    def fitted(ridges):
        return list(fit_all(source, target, [Affine(ridges=ridges, relative=True)], drawn, 0, "here"))

    ridges = (0.0, 0.1, 1.0, 100.0)
    alone = {ridge: fitted((ridge,))[0].errors for ridge in ridges}
    found, shuffled = fitted(ridges)
    best = min(ridges, key=lambda ridge: alone[ridge]["val"])
    assert (found.ridge, found.errors) == (best, alone[best])
    assert shuffled.label == "affine_relative_shuffled"
    assert shuffled.errors["test"] > 0.8 > found.errors["test"]
    with pytest.raises(InvalidInput, match="here: 1 problem"):
        list(fit_all(source, {**target, "train": target["train"] * 0}, [Orthogonal()], drawn, 0, "here"))


class Line(nn.Module):
    """Logits (0, w x) of images of one pixel: a classifier whose loss is convex in its weight."""

    def __init__(self, weight):
        super().__init__()
        self.layer = nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.0], [weight]]))

    def forward(self, images):
        return self.layer(images.flatten(1))


def test_the_barrier_of_a_convex_loss_is_nothing_and_that_of_error_is_counted_by_hand():
    images = torch.tensor([1.0, 2.0, -1.0, -3.0]).reshape(4, 1, 1, 1)
    part = ImageSet(images, torch.tensor([1, 1, 0, 0]), torch.arange(4))
    splits = Splits("toy", part, part, part, torch.zeros(1), torch.ones(1), "unit")
    subject = Classifiers.parse({"alignments": [{"kind": "average"}], "curve_places": 5})
    rows = list(fused_rows(subject, Line(-1.0), Line(3.0), splits, torch.arange(4), CPU))
    found = {(row["method"], row["metric"]): row["value"] for row in rows if row["split"] == "test"}

    def loss(weight):
        logits = np.array([[0, weight * x] for x in (1, 2, -1, -3)])
        return np.mean([logsumexp(row) - row[label] for row, label in zip(logits, (1, 1, 0, 0), strict=True)])

    assert found["first", "cross_entropy"] == pytest.approx(loss(-1), rel=1e-6)
    assert found["average", "cross_entropy"] == pytest.approx(loss(1), rel=1e-6)
    assert found["average", "barrier_cross_entropy"] == pytest.approx(0, abs=1e-6), "convex: the ends are highest"
    assert (found["first", "accuracy"], found["second", "accuracy"]) == (0, 1)
    # Weights -1, 0, 1, 2, 3: at 0 both classes are equal and the first is taken, so that two of four are wrong.
    # The straight line has the errors 1, 0.75, 0.5, 0.25, 0.
    assert found["average", "barrier_error"] == pytest.approx(max(0, 0.5 - 0.75, 0 - 0.5, -0.25, 0))
    turned = list(fused_rows(subject, Line(3.0), Line(3.0), splits, torch.arange(4), CPU))
    assert all(abs(row["value"]) < 1e-6 for row in turned if row["metric"].startswith("barrier"))


def test_fused_networks_are_the_librarys_and_barriers_those_of_the_line(classifiers_run, bench):
    run, config = classifiers_run
    splits = load_splits(config.subject.data)
    first, second = (
        load_model(bench.store["model", one.config_id], one)
        for one in (config.subject.first, config.subject.second)
    )
    for kind in ("average", "weight_matching"):
        fused = fuse([first, second], kind, inputs=splits.train.images[:4])
        with torch.no_grad():
            right = (fused(splits.test.images).argmax(dim=1) == splits.test.labels).double().mean()
        assert value(run, method=kind, metric="accuracy", split="test") == pytest.approx(float(right))
        barrier = value(run, method=kind, metric="barrier_cross_entropy", split="test")
        middle, ends = (
            value(run, method=kind, metric="cross_entropy", split="test"),
            [value(run, method=role, metric="cross_entropy", split="test") for role in ("first", "second")],
        )
        assert barrier >= middle - np.mean(ends) - 1e-6, "the middle is one of the places"


def test_a_layer_with_as_many_units_as_samples_is_refused_by_name(bench):
    wide = point(pair(layers=["encoder.0"]), num_samples=64)
    with pytest.raises(InvalidInput, match=r"num_samples: is 64, and the layer encoder\.0 has 64 units"):
        bench.run(wide)


def test_layers_are_every_nonlinearity_or_those_that_are_named():
    model = build(Classifiers().first.model, (1, 8, 8), 10)
    assert hidden_layers(model, (1, 8, 8), None) == {"encoder.2": 64, "encoder.4": 64}
    assert hidden_layers(model, (1, 8, 8), ("head", "encoder.1")) == {"encoder.1": 64, "head": 10}
    with pytest.raises(InvalidInput, match=r"layers: is 'encoder\.7'"):
        hidden_layers(model, (1, 8, 8), ("encoder.7",))
    with pytest.raises(InvalidInput, match="has no nonlinearity to be cut behind; name some of"):
        hidden_layers(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8), None)
    splits = load_splits(Classifiers().data)
    found = latents_of(model, "encoder.2", splits, CPU)
    assert {split: tuple(z.shape) for split, z in found.items()} == {
        "train": (1293, 64), "val": (144, 64), "test": (360, 64),
    }  # fmt: skip


def test_every_number_of_a_pair_of_encoders_is_a_row(encoders_run):
    run, _ = encoders_run
    table = run.tables["communication"]
    maps = {"affine_relative", "affine_relative_shuffled", "orthogonal", "orthogonal_shuffled"}
    assert set(table["method"]) == maps | {"source", "target", "unmapped"}
    assert set(table["unit"]) == {"features"}
    assert len(table) == 2 * 2 * (3 * 2 + 4 * 3), "directions, splits; accuracy and loss of all, error of maps"
    there, back = ({"direction": one, "metric": "accuracy", "split": "test"} for one in ("there", "back"))
    assert value(run, method="source", **there) == value(run, method="target", **back)
    assert value(run, method="affine_relative", **there) > value(run, method="affine_relative_shuffled", **there)
    labels = ("affine_relative", "orthogonal")
    assert run.summary["accuracy_val"] == max(run.summary[f"features/{name}/accuracy_val"] for name in labels)


def test_a_carried_probe_is_weights_times_mapped_features(bench):
    config = point(encoders(), mappings=[{"kind": "affine", "ridges": [0.0]}])
    run = bench.run(config)
    splits = load_splits(config.subject.data)
    sides = [
        load_side(bench.store["probe", side.config_id], bench.store["encoder", side.encoder.config_id], side)
        for side in (config.subject.first, config.subject.second)
    ]
    features = []
    for side in (config.subject.first, config.subject.second):
        method = load_encoder(bench.store["encoder", side.encoder.config_id], side.encoder)
        with torch.no_grad():
            features.append(
                {s: method.encode(getattr(splits, s).images).double().numpy() for s in ("train", "test")}
            )
    drawn = samples(len(splits.train), 200, 0).numpy()
    z, y = (of["train"][drawn] for of in features)
    solution, *_ = np.linalg.lstsq(np.column_stack([z, np.ones(len(z))]), y, rcond=None)
    test = features[0]["test"]
    mapped = np.column_stack([test, np.ones(len(test))]) @ solution
    head = {name: tensor.double().numpy() for name, tensor in sides[1].model.head.state_dict().items()}
    where = {"direction": "there", "metric": "accuracy", "split": "test"}
    for method, read in (("affine", mapped), ("unmapped", test), ("target", features[1]["test"])):
        logits = (read - head["mean"]) / head["std"] @ head["weight"].T + head["bias"]
        wanted = np.mean(logits.argmax(axis=1) == splits.test.labels.numpy())
        assert value(run, method=method, **where) == pytest.approx(wanted, abs=1.5 / len(test))


def test_encoders_need_more_samples_than_features(bench, monkeypatch):
    monkeypatch.setattr("experiments.communication.config.Encoders.width", None)
    with pytest.raises(InvalidInput, match="num_samples: is 16, and the encoder has 16 units"):
        bench.run(point(encoders(), num_samples=16))
