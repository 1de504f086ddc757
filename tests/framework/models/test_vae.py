import torch
from torch import nn

from framework.models import build
from framework.models.config import VAE


def vae(**options):
    torch.manual_seed(0)
    return build(VAE(latent_dim=5, **options), (1, 28, 28))


def test_the_widths_are_those_of_the_original():
    sizes = [(m.in_features, m.out_features) for m in vae().modules() if isinstance(m, nn.Linear)]
    encoder = [(784, 512), (512, 256), (256, 128), (128, 64), (64, 5)]
    decoder = [(5, 64), (64, 128), (128, 256), (256, 512), (512, 784)]
    assert sizes == [*encoder, (5, 5), (5, 5), *decoder]


def test_the_latent_is_the_mean_and_the_same_each_time_even_in_train_mode():
    model, images = vae().train(), torch.rand(4, 1, 28, 28)
    mu, logvar = model.posterior(images)
    assert mu.shape == logvar.shape == (4, 5)
    assert not torch.equal(mu, logvar)
    assert torch.equal(model.encode(images), mu)
    assert torch.equal(model(images), model(images))


def test_mean_and_variance_are_linear_in_the_encoders_output():
    model, images = vae(), torch.rand(4, 1, 28, 28)
    features = model.encoder(images)
    mu, logvar = model.posterior(images)
    torch.testing.assert_close(mu, features @ model.mu.weight.T + model.mu.bias)
    torch.testing.assert_close(logvar, features @ model.logvar.weight.T + model.logvar.bias)


def test_a_sigmoid_keeps_pixels_in_the_unit_interval_and_a_linear_output_does_not():
    latents = 100 * torch.randn(50, 5)
    pixels = vae().decode(latents)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert vae(output="linear").decode(latents).min() < 0


def test_the_hidden_layers_can_be_chosen():
    model = build(VAE(latent_dim=3, hidden=(20,)), (3, 8, 8))
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 3, 8, 8)
