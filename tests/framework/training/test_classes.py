import pytest
import torch

from framework.data import load_splits
from framework.errors import ConfigError
from framework.training import load_evaluation, load_model
from framework.training.callbacks.epoch_log import Measure
from framework.training.classes import of_classes
from framework.training.evaluation import SPLITS
from tests.framework.training.conftest import small_kind, train


class Seen(Measure):
    """Which labels the batches had."""

    def __init__(self):
        self.train, self.val = set(), set()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.train |= set(batch[1].tolist())

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.val |= set(batch[1].tolist())

    def epoch_metrics(self, trainer):
        return {"seen": float(len(self.train))}


@pytest.mark.parametrize("kind", ["mlp_autoencoder", "vit"])
def test_training_on_some_classes_sees_no_other_and_is_evaluated_on_all(kind, tmp_path):
    config, seen = small_kind(kind, classes=[0, 3, 4], max_epochs=1), Seen()
    run = train(tmp_path, config, [seen])
    assert seen.train == seen.val == {0, 3, 4}
    assert run.rows[0]["seen"] == 3
    splits, folder = load_splits(config.data), run.require("model", config)
    evaluation = load_evaluation(folder)
    assert all(len(evaluation.errors[part]) == len(getattr(splits, part)) for part in SPLITS)
    assert load_model(folder, config).num_classes in (None, 10)
    chosen = torch.isin(splits.val.labels, torch.tensor([0, 3, 4]))
    (name,) = {"val/mse", "val/cross_entropy"} & set(run.rows[0])
    assert run.rows[0][name] == pytest.approx(float(evaluation.errors["val"][chosen].mean()), rel=1e-4)


def test_images_of_classes_keep_their_order_and_indices():
    images = load_splits(small_kind("vit").data).train
    chosen = of_classes(images, (2, 7), "train")
    keep = [i for i, label in enumerate(images.labels.tolist()) if label in (2, 7)]
    assert torch.equal(chosen.indices, images.indices[keep])
    assert torch.equal(chosen.images, images.images[keep])
    assert set(chosen.labels.tolist()) == {2, 7}
    assert of_classes(images, None, "train") is images


def test_a_class_that_the_data_lack_is_named_beside_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"classes: names 10, 12, of which the train split.*there are: 0, 1, 2"):
        train(tmp_path, small_kind("vit", classes=[1, 10, 12]))
