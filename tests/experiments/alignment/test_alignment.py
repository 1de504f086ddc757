import numpy as np
import pandas as pd
import pytest
import torch

from experiments.alignment.config import AlignmentConfig
from experiments.alignment.manager import AlignmentManager
from experiments.alignment.report import report
from framework.data import load_splits
from framework.errors import ArtifactError, ConfigError, SashikoError
from framework.mappings import load_mapping
from framework.report.digest import digest_of
from framework.training.checkpoints import load_model
from tests.experiments.compared import compared_by
from tests.experiments.stitching.conftest import model
from tests.framework.fakes import FakeRun


def alignment(**changes):
    given = {"model": model(1), "reference": model(0), "num_samples": 60, "every_epochs": 2}
    return AlignmentConfig.parse(given | changes)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """A finished run of three epochs, its config, and the store with both models."""
    folder, config, store = tmp_path_factory.mktemp("alignment"), alignment(), {}
    manager = AlignmentManager()
    for kind, required in manager.requires("run", config):
        manager.make(kind, required, FakeRun(folder / "reference", store))
    run = FakeRun(folder / "run", store)
    manager.run(config, run)
    return run, config, store


def test_every_second_epoch_and_the_last_are_fitted_and_stand_in_the_epochs_row(aligned):
    run, _, _ = aligned
    table = run.tables["reference_mapping"]
    assert table["epoch"].tolist() == [2, 3]
    rows = [row for row in run.rows if "epoch" in row]
    assert [("mapping/error" in row) for row in rows] == [False, True, True]
    assert rows[2]["mapping/error"] == table["error"].iloc[1]
    assert {"train/mse", "val/mse", "mapping/latent_distance", "mapping/cka", "mapping/singular_max"} <= set(
        rows[1]
    )
    assert compared_by("alignment") in run.summary
    assert run.summary["mapping/error_last"] == table["error"].iloc[1]


def test_the_last_error_is_that_of_the_stitched_model_on_val(aligned):
    run, config, store = aligned
    last = load_model(store["model", config.model.config_id], config.model, "last")
    reference = load_model(store["model", config.reference.config_id], config.reference)
    mapping = load_mapping(store["mapping", config.config_id] / "epoch_0003")
    val = load_splits(config.model.data).val.images
    with torch.no_grad():
        error = (reference.decode(mapping(last.encode(val))) - val).square().mean()
    assert run.tables["reference_mapping"]["error"].iloc[1] == pytest.approx(float(error), rel=1e-4)
    spectrum = run.tables["singular_values"].query("epoch == 3")["value"]
    np.testing.assert_allclose(spectrum, torch.linalg.svdvals(mapping.matrix), rtol=1e-4)
    assert run.tables["reference_mapping"]["singular_min"].iloc[1] == pytest.approx(spectrum.min(), rel=1e-4)


def test_following_a_model_does_not_change_it(aligned, tmp_path):
    _, config, store = aligned
    alone = FakeRun(tmp_path, {})
    AlignmentManager().make("model", config.model, alone)
    ours = load_model(store["model", config.model.config_id], config.model, "last").state_dict()
    theirs = load_model(alone.require("model", config.model), config.model, "last").state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_latents_that_cannot_be_mapped_give_nan_and_training_goes_on(aligned, tmp_path, monkeypatch):
    from framework.models.mlp import DenseAutoencoder

    _, config, store = aligned
    genuine = DenseAutoencoder.encode
    monkeypatch.setattr(
        DenseAutoencoder, "encode", lambda self, x: genuine(self, x) * (1 if self.training else 0) + 0.0
    )
    run = FakeRun(tmp_path, dict(store))
    AlignmentManager().run(config, run)
    assert run.tables["reference_mapping"]["error"].isna().all()
    assert len([row for row in run.rows if "epoch" in row]) == 3
    assert "mapping" not in run.artifacts


def test_one_ridge_and_the_same_images_are_required():
    with pytest.raises(ConfigError, match="one value, because one mapping is followed"):
        alignment(mapping={"kind": "affine", "ridges": [0, 1]})
    with pytest.raises(
        ConfigError, match=r"reference\.data: and model\.data differ in .*: anchors are images of both"
    ):
        alignment(model=model(1, data={"split_seed": 4}))
    with pytest.raises(ArtifactError, match="alignment makes models"):
        AlignmentManager().make("mapping", alignment(), None)


class Results:
    def __init__(self, tables, runs):
        self.tables, self.runs = tables, runs


def test_the_report_has_a_line_a_pair_of_architectures():
    runs = pd.DataFrame(
        {
            "run_id": ["a", "b", "c"],
            "model.model.kind": ["pcktae", "pcktae", "vae"],
            "reference.model.kind": ["vae", "vae", "vae"],
            "mapping.kind": "affine",
        }
    )
    rows = [
        {"run_id": r, "epoch": e, "error": error / e, "latent_distance": 1.0, "cka": 0.5, "singular_max": 2.0,
         "singular_min": 1.0}
        for r, error in (("a", 1.0), ("b", 3.0), ("c", 5.0)) for e in (1, 2, 3)
    ]  # fmt: skip
    made = report(Results({"reference_mapping": pd.DataFrame(rows)}, runs))
    assert len(made.table) == 6
    assert made.table.query("model == 'pcktae' and epoch == 1")["error_mean"].tolist() == [2.0]
    assert made.readable()["epoch"].tolist() == ["1", "3", "1", "3"]
    (panel,) = made.figures["error_by_epoch"]().axes
    lines = panel.lines
    assert digest_of(made.figures["error_by_epoch"]) is not None
    assert panel.get_title() == "into the latents of vae"
    assert [(text.get_text(), text.get_color()) for text in panel.texts] == [
        (name, line.get_color()) for name, line in zip(("pcktae", "vae"), lines, strict=True)
    ]
    (panel,) = made.figures["cka_by_epoch"]().axes
    assert list(panel.lines[0].get_ydata()) == [0.5] * 3
    with pytest.raises(SashikoError, match="no finished alignment run"):
        report(Results({}, runs))


def test_variants_of_a_mapping_have_lines_of_their_own():
    runs = pd.DataFrame(
        {
            "run_id": list("abcde"),
            "model.model.kind": "vae",
            "reference.model.kind": "vae",
            "mapping.kind": ["affine", "orthogonal", "orthogonal", "relative", "relative"],
            "mapping.scaling": [None, "none", "isotropic", None, None],
            "mapping.centred": [None, None, None, False, True],
        }
    )
    row = {"epoch": 1, "error": 1.0, "latent_distance": 1.0, "cka": 0.5, "singular_max": 2.0, "singular_min": 1.0}
    made = report(Results({"reference_mapping": pd.DataFrame([{"run_id": r, **row} for r in "abcde"])}, runs))
    labels = ["affine", "orthogonal", "orthogonal_isotropic", "relative", "relative_centred"]
    assert sorted(made.table["mapping"]) == labels


def classifier(seed, **changes):
    return model(seed, model={"kind": "mlp", "hidden": [16, 12]}, **changes)


def test_classifiers_are_fused_with_the_reference_too(tmp_path):
    config = alignment(model=classifier(1), reference=classifier(0), fusion={"kind": "ot"})
    manager, store = AlignmentManager(), {}
    for kind, required in manager.requires("run", config):
        manager.make(kind, required, FakeRun(tmp_path / "reference", store))
    run = FakeRun(tmp_path / "run", store)
    manager.run(config, run)
    assert [row["epoch"] for row in run.rows if "fusion/barrier" in row] == [2, 3]
    assert set(run.tables["fusion_layers"]["basis"]) == {"encoder.1", "encoder.3"}
    assert (store["fused", config.config_id] / "epoch_0003.safetensors").is_file()


def test_only_classifiers_of_one_architecture_are_fused():
    with pytest.raises(ConfigError, match="fuses one architecture; model is mlp, reference mlp_autoencoder"):
        alignment(model=classifier(1), fusion={"kind": "ot"})
    with pytest.raises(ConfigError, match=r"fuses classifiers, and reference\.model\.kind is mlp_autoencoder"):
        alignment(fusion={"kind": "average"})


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        alignment(**changes)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_samples": 1294}, ["num_samples: is 1294, and the train split of digits has 1293 images"]),
        (
            {"model": model(1, model={"kind": "mlp_autoencoder", "hidden": [24], "latent_dim": 6}),
             "mapping": {"kind": "permutation"}},
            ["mapping.kind: is permutation, which needs as many target as source dimensions, not 6 → 5"],
        ),
        (
            {"model": classifier(1), "reference": model(0, model={"kind": "mlp", "hidden": [16]}),
             "fusion": {"kind": "ot"}},
            ["fusion: fuses one architecture; model.model and reference.model differ in hidden"],
        ),
        (
            {"model": classifier(1), "reference": model(0, model={"kind": "mlp", "hidden": [8, 12]}),
             "fusion": {"kind": "weight_matching"}},
            ["fusion.kind: is weight_matching, which needs equal widths, and hidden differs"],
        ),
        (
            {"model": classifier(1), "reference": classifier(0),
             "fusion": {"kind": "activation_matching", "num_samples": 1001}},
            ["fusion.num_samples: is 1001, and fusion sees 1000 images"],
        ),
        (
            {"model": classifier(1, data={"split_seed": 4, "val_fraction": 0.5}, warmup_epochs=7),
             "reference": classifier(0), "mapping": {"kind": "permutation"}, "num_samples": 800,
             "fusion": {"kind": "ot", "source": "activations", "num_samples": 900}},
            ["model: warmup_epochs is 7",
             "reference.data: and model.data differ in split_seed (0 and 4), val_fraction (0.1 and 0.5)",
             "num_samples: is 800, and the train split of digits has 718 images",
             "fusion.num_samples: is 900, and fusion sees 718 images"],
        ),
        (
            {"mapping": {"kind": "affine", "ridges": [0.0, 1.0]}, "model": classifier(1),
             "fusion": {"kind": "ot", "solver": "assignment", "marginals": "l2"}},
            ["fusion.solver: is assignment", "mapping.ridges: is [0.0, 1.0]", "fusion fuses one architecture;"],
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told_whole(changes, expected):
    found = problems(**changes)
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
