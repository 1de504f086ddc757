import pytest
import torch

from framework.metrics.reconstruction import mse_per_image
from framework.metrics.scoring import Scorer
from framework.models import build
from framework.models.config import AE, PCKTAE, VAE, MLPAutoencoder
from framework.models.split import split
from framework.models.stages import AT_ONCE

CPU = torch.device("cpu")
MODELS = [
    PCKTAE(latent_dim=6),
    AE(latent_dim=6, channels=(4, 8), hidden=20, output="linear"),
    VAE(latent_dim=6, hidden=(12,)),
    MLPAutoencoder(latent_dim=6),
]


def scored(model, latents, images, scale):
    with torch.no_grad():
        return mse_per_image(model.decode(latents), images, scale)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8)])
@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.kind)
def test_errors_are_those_of_the_decoder(config, shape):
    torch.manual_seed(0)
    model, scale = build(config, shape).eval(), torch.rand(shape[0]) + 0.5
    images, latents = torch.rand(AT_ONCE + 7, *shape), torch.randn(AT_ONCE + 7, 6)
    scorer = Scorer(model, [images], scale, CPU)
    for given in (latents, 2 * latents):
        (found,) = scorer.errors(given)
        torch.testing.assert_close(found, scored(model, given, images, scale), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.kind)
def test_several_sets_of_images_at_once(config):
    model, scale = build(config, (1, 8, 8)).eval(), torch.ones(1)
    sets, latents = torch.rand(2, 9, 1, 8, 8), torch.randn(9, 6)
    found = Scorer(model, list(sets), scale, CPU).errors(latents)
    expected = torch.stack([scored(model, latents, images, scale) for images in sets])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_model_in_train_mode_is_scored_in_eval_mode():
    model, images, latents = (
        build(PCKTAE(latent_dim=6), (1, 8, 8)).train(),
        torch.rand(5, 1, 8, 8),
        torch.randn(5, 6),
    )
    (found,) = Scorer(model, [images], torch.ones(1), CPU).errors(latents)
    torch.testing.assert_close(found, scored(model.eval(), latents, images, torch.ones(1)))


def test_the_images_must_be_as_many_as_the_latents():
    scorer = Scorer(build(PCKTAE(latent_dim=6), (1, 8, 8)), [torch.rand(5, 1, 8, 8)], torch.ones(1), CPU)
    for count in (4, AT_ONCE + 1):
        with pytest.raises((ValueError, RuntimeError)):
            scorer.errors(torch.randn(count, 6))


def test_a_model_that_is_cut_elsewhere():
    model, shape = build(PCKTAE(), (1, 8, 8)).eval(), (1, 8, 8)
    cut, images = split(model, "decoder.3", shape), torch.rand(6, *shape)
    latents = torch.randn(6, cut.latent_dim)
    (found,) = Scorer(cut, [images], torch.ones(1), CPU).errors(latents)
    torch.testing.assert_close(found, scored(cut, latents, images, torch.ones(1)), atol=1e-6, rtol=1e-5)
