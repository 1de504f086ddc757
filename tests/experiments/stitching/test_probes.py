"""Probes on self-supervised encoders in the places of source and target."""

import pytest
import torch

from experiments.stitching.cells import load_cell
from experiments.stitching.config import StitchingConfig
from experiments.stitching.manager import StitchingManager
from experiments.stitching.parents import load_parent
from experiments.stitching.stitch import Stitched
from framework.data import load_splits
from framework.errors import ConfigError
from framework.ssl.evaluation.features import Features, features_of
from framework.ssl.evaluation.probe import fit_probe
from framework.ssl.training.artifact import load_encoder
from tests.experiments.compared import compared_by
from tests.experiments.stitching.conftest import model
from tests.framework.ssl.training.conftest import HEADS, TINY


def probe(seed=0, kind="simclr", **changes):
    return {"encoder": {**TINY, "method": {"kind": kind, **HEADS}, "seed": seed, **changes}, "device": "cpu"}


def stitched(source=0, target=1, **changes):
    small = {"num_samples": [20, 100], "mapping": {"kind": "affine", "ridges": [0.01]}, "device": "cpu"}
    return StitchingConfig.parse(
        {"source_probe": probe(source), "target_probe": probe(target), **small, **changes}
    )


@pytest.fixture(scope="module")
def run(bench):
    return bench.run(stitched())


def test_the_scores_are_those_of_the_stitched_pair_on_test(bench, run):
    config = stitched()
    source, target = (load_parent(side, None, bench.new_run()) for side in config.sides.values())
    test = load_splits(config.data).test
    results = run.tables["results"]
    for row in results.itertuples():
        mapping = load_cell(run.require("mapping", config), row.num_samples, row.ridge)
        with torch.no_grad():
            said = Stitched(source.model, mapping, target.model)(test.images).argmax(dim=1)
        assert row.accuracy_stitched == pytest.approx(float((said == test.labels).double().mean()))
    assert results["num_samples"].tolist() == [20, 100]
    assert set(results["source_kind"]) == {"simclr"}
    assert results["source"][0] == "digits_simclr_16_0"
    assert results["target_seed"].tolist() == [1, 1]
    assert results["accuracy_stitched"].iloc[1] > 0.3, "ten classes"
    assert compared_by("stitching_ssl") in run.summary
    assert run.summary["stitched/accuracy"] <= 1


@pytest.mark.parametrize("role", ["source", "target"])
def test_the_parents_are_the_encoders_with_their_own_probes(bench, run, role):
    side = stitched().sides[role]
    method = load_encoder(bench.store["encoder", side.encoder.config_id], side.encoder)
    splits = load_splits(side.data)
    parts = {
        name: Features(features_of(method, getattr(splits, name).images), getattr(splits, name).labels)
        for name in ("train", "val", "test")
    }
    scores = fit_probe(parts["train"], parts["val"], 10).scores(parts["test"].features)
    wanted = float((scores.argmax(dim=1) == parts["test"].labels).double().mean())
    assert run.tables["results"][f"accuracy_{role}"].tolist() == pytest.approx([wanted] * 2)


def test_a_probe_stitched_to_itself_is_required_once_and_as_good_as_alone(bench):
    config = stitched(0, 0, mapping="identity")
    assert [kind for kind, _ in bench.manager.requires("run", config)] == ["encoder", "probe"]
    results = bench.run(config).tables["results"]
    assert results["accuracy_stitched"].tolist() == results["accuracy_source"].tolist()


@pytest.mark.parametrize("control", ["shuffled_anchors", "random_encoder", "class_means", "task_loss"])
def test_every_control_is_scored(bench, run, control):
    results = bench.run(stitched(control=control)).tables["results"]
    plain = run.tables["results"]
    assert results["source_id"].tolist() == plain["source_id"].tolist(), "differences are taken within pairs"
    assert results["accuracy_target"].tolist() == plain["accuracy_target"].tolist()
    if control == "random_encoder":
        assert set(results["source"]) == {"untrained_digits_simclr_16_0"}
    if control == "shuffled_anchors":
        assert results["accuracy_stitched"].iloc[1] < plain["accuracy_stitched"].iloc[1]


def test_a_classifier_goes_with_a_probe(bench):
    data = TINY["data"]
    network = model(data=data, model={"kind": "mlp", "hidden": [9]}, max_epochs=1)
    given = {"source": network, "target_probe": probe(), "num_samples": [50], "device": "cpu", "mapping": "affine"}
    config = StitchingConfig.parse(given)
    assert [kind for kind, _ in bench.manager.requires("run", config)] == ["model", "encoder", "probe"]
    results = bench.run(config).tables["results"]
    assert results["source_kind"][0] == "mlp"
    assert results["target_kind"][0] == "simclr"


def test_all_that_is_required_comes_in_the_order_in_which_it_can_be_made():
    manager = StitchingManager()
    config = stitched(control="random_encoder")
    works = list(manager.requires("run", config))
    assert [kind for kind, _ in works] == ["encoder", "encoder", "probe", "probe", "probe"]
    for kind, required in works:
        before = [(one, other.config_id) for one, other in manager.requires(kind, required)]
        assert set(before) <= {(one, other.config_id) for one, other in works}
    longer = stitched().source_probe.encoder.model_copy(update={"extra_epochs": 2})
    ((kind, before),) = manager.requires("encoder", longer)
    assert (kind, before.config_id) == ("encoder", stitched().source_probe.encoder.config_id)


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        StitchingConfig.parse(changes)
    return [str(problem) for problem in caught.value.problems]


def test_what_a_probe_would_leave_without_effect_is_refused():
    found = problems(source_probe={}, source={"seed": 7}, source_layer="encoder", target_probe={})
    assert [text.split(": ")[0] for text in found] == ["source", "source_layer"]
    assert "source_probe, which takes its place" in found[0]


def test_data_and_sizes_that_do_not_go_together():
    few = {"num_samples": [20]}
    other = probe(data={**TINY["data"], "split_seed": 3})
    (text,) = problems(source_probe=probe(), target_probe=other, **few)
    assert text.startswith("target_probe.encoder.data: and source_probe.encoder.data differ in ")
    wide = probe(backbone={"kind": "mlp", "hidden": [7]})
    (text,) = problems(source_probe=probe(), target_probe=wide, mapping="permutation", **few)
    assert "not 16 → 7 (source_probe → target_probe)" in text
    unknown = {"encoder": {"backbone": {"kind": "torchvision"}}}
    StitchingConfig.parse({"source_probe": {}, "target_probe": unknown, "mapping": "permutation"})


def test_points_that_name_no_probe_keep_their_identity():
    assert StitchingConfig().config_id == StitchingConfig(source_probe=None, target_probe=None).config_id
    assert "probe" not in StitchingConfig().canonical_text
    assert "source_probe" in stitched().canonical_text
