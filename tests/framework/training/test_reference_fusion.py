import pytest
import torch
from safetensors.torch import load_file

from framework.data.vision import load_splits
from framework.fusion.config import OT, Average
from framework.training.callbacks.reference_fusion import ReferenceFusion
from framework.training.checkpoints import load_model
from tests.framework.fakes import FakeRun
from tests.framework.training.conftest import small_kind, train


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    config = small_kind("mlp")
    run = train(tmp_path_factory.mktemp("reference"), config)
    return load_model(run.store["model", config.config_id], config), load_splits(config.data)


def follow(tmp_path, reference, every, method=None, seed=1):
    model, splits = reference
    run, folders = FakeRun(tmp_path / "following"), []
    images, labels = splits.train.images[:200], splits.train.labels[:200]
    following = ReferenceFusion(
        run,
        model,
        splits,
        method or OT(),
        images,
        labels,
        lambda folder: folders.append(sorted(folder.iterdir())),
        every,
    )
    trained = train(tmp_path / "run", small_kind("mlp", seed=seed, max_epochs=3), [following])
    return run, trained, folders, following


def test_the_last_epoch_is_fused_and_others_on_request(tmp_path, reference):
    run, trained, folders, _ = follow(tmp_path / "end", reference, None)
    assert [row["epoch"] for row in trained.rows if "fusion/accuracy" in row] == [3]
    assert [path.name for path in folders[0]] == ["epoch_0003.plans.safetensors", "epoch_0003.safetensors"]
    run, trained, folders, _ = follow(tmp_path / "each", reference, 2)
    assert [row["epoch"] for row in trained.rows if "fusion/accuracy" in row] == [2, 3]
    assert len(folders[0]) == 4
    layers = run.tables["fusion_layers"]
    assert list(layers["epoch"]) == [2, 2, 3, 3]
    assert list(layers["basis"]) == ["encoder.1", "encoder.3"] * 2


def test_a_model_that_is_the_reference_fuses_without_a_barrier(tmp_path, reference):
    model, splits = reference
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, _, _, following = follow(tmp_path, reference, None)
    found = following._fused(model, 9)
    with torch.no_grad():
        right = (model(splits.val.images).argmax(dim=1) == splits.val.labels).double().mean()
    assert found["fusion/accuracy"] == pytest.approx(float(right))
    assert found["fusion/barrier"] == pytest.approx(0, abs=1e-6)
    kept = load_file(following.folder / "epoch_0009.safetensors")
    assert all(torch.allclose(kept[name], tensor) for name, tensor in weights.items())


def test_the_plain_average_has_no_plans_and_training_is_not_disturbed(tmp_path, reference):
    run, trained, folders, _ = follow(tmp_path / "average", reference, 1, Average())
    assert run.tables["fusion_layers"].empty
    assert [path.name for path in folders[0]] == [f"epoch_000{epoch}.safetensors" for epoch in (1, 2, 3)]
    alone = train(tmp_path / "alone", small_kind("mlp", seed=1, max_epochs=3))
    key = "val/cross_entropy"
    assert [row[key] for row in trained.rows if key in row] == [row[key] for row in alone.rows if key in row]
