import pytest
import torch
import torch.nn.functional as F

from framework.data import load_splits
from framework.models.vae import VariationalAutoencoder
from framework.training import load_model
from framework.training.train import training_of
from framework.training.vae import divergence
from tests.framework.training.conftest import KINDS, small_kind, train


def test_the_divergence_is_that_of_torch():
    mu, logvar = torch.randn(6, 3), torch.randn(6, 3)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mu, (logvar / 2).exp()), normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(divergence(mu, logvar), expected)


def test_the_loss_of_a_vae_is_squared_error_and_divergence():
    config = small_kind("vae")
    splits, batch = load_splits(config.data), [torch.rand(5, 1, 8, 8), torch.zeros(5)]
    torch.manual_seed(0)
    model = VariationalAutoencoder(config.model, (1, 8, 8))
    training = training_of(model, config, splits)
    torch.manual_seed(1)
    step = training.training_step(batch, 0)
    torch.manual_seed(1)
    mu, logvar = model.posterior(batch[0])
    given = model.decode(mu + torch.randn(5, 4) * (logvar / 2).exp())
    squared = F.mse_loss(given, batch[0], reduction="sum") / 5
    torch.testing.assert_close(step["loss"], squared + 0.25 * divergence(mu, logvar).mean())
    torch.testing.assert_close(step["mse"].mean() * 64, squared.detach())
    assert not step["mse"].requires_grad
    measured = training.validation_step(batch, 0)
    torch.testing.assert_close(measured["mse"], (model(batch[0]) - batch[0]).square().mean(dim=(1, 2, 3)))


def test_a_weight_of_zero_leaves_the_divergence_alone(tmp_path):
    spread = {}
    for weight in (0.0, 4.0):
        model = {"kind": "vae", **KINDS["vae"], "kl_weight": weight}
        spread[weight] = train(tmp_path / str(weight), small_kind("vae", model=model)).rows[-1]["val/kl"]
    assert spread[4.0] < 0.5 * spread[0.0]


def test_standardised_images_give_errors_on_the_unit_scale(tmp_path):
    model = {"kind": "vae", **KINDS["vae"], "output": "linear"}
    config = small_kind("vae", model=model, data={"normalise": "standard"}, max_epochs=1)
    run, splits = train(tmp_path, config), load_splits(config.data)
    with torch.no_grad():
        given = load_model(run.require("model", config), config, "last")(splits.val.images)
    errors = ((given - splits.val.images) * splits.std[:, None, None]).square()
    assert float(errors.mean()) == pytest.approx(run.rows[-1]["val/mse"], rel=1e-4)
