import pytest
import torch
from torch import nn

from framework.models import MODELS, build
from framework.models.config import AE, MLP, PCKTAE, VGG, CIFARResNet
from framework.models.folding import Folded, folded
from framework.models.stages import AT_ONCE

KINDS = {
    **{
        kind: entry.config(latent_dim=6)
        for kind, entry in MODELS.items()
        if "latent_dim" in entry.config.model_fields
    },
    "mlp": MLP(hidden=(6,)),
    "vgg": VGG(width=0.125),
    "cifar_resnet": CIFARResNet(width=0.125),
    "narrow_ae": AE(latent_dim=6, channels=(4, 8, 12), hidden=30),
    "linear_ae": AE(latent_dim=6, channels=(20, 40), hidden=30, output="linear"),
}


def test_every_kind_is_there():
    assert set(MODELS) <= set(KINDS)


def lived_in(module, inputs):
    """`module` in eval mode with weights and statistics of batch normalisation that are not those of a new one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        module.train()
        for _ in range(3):
            module(inputs())
    return module.eval()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_decoder_is_the_decoder(kind, shape):
    torch.manual_seed(0)
    model = lived_in(build(KINDS[kind], shape), lambda: torch.rand(16, *shape))
    latents = torch.randn(30, model.latent_dim)
    with torch.no_grad():
        expected = model.decode(latents)
    fast = model.fast_decoder()
    torch.testing.assert_close(fast(latents), expected, atol=1e-5, rtol=1e-5)
    model.train()
    torch.testing.assert_close(fast(latents), expected, atol=1e-5, rtol=1e-5)


def test_it_holds_the_weights_as_they_were():
    model = build(PCKTAE(latent_dim=6), (1, 8, 8)).eval()
    fast, latents = model.fast_decoder(), torch.randn(3, 6)
    before = fast(latents)
    with torch.no_grad():
        model.decoder[0].weight.zero_()
    assert torch.equal(fast(latents), before)
    assert not fast(latents).requires_grad


@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 1, 0])
def test_any_number_of_latents(count):
    model = build(PCKTAE(latent_dim=6), (1, 8, 8)).eval()
    latents = torch.randn(count, 6)
    torch.testing.assert_close(model.fast_decoder()(latents), model.decode(latents))


def test_a_pcktae_is_two_products():
    fast = build(PCKTAE(latent_dim=32), (1, 28, 28)).fast_decoder()
    assert [type(step).__name__ for step in fast.steps] == ["Dense", "InPlace", "Sparse", "InPlace"]
    assert fast.steps[0].weight.shape == (3 * 14 * 14, 32)
    # Each of 784 pixels sees 2 x 2 positions of 3 channels, fewer at the border.
    assert 0.9 * 784 * 12 < fast.steps[2].weight.values().numel() <= 784 * 12


class Squared(nn.Module):
    def forward(self, x):
        return x**2


def test_layers_of_every_sort():
    torch.manual_seed(0)
    decoder = nn.Sequential(
        nn.ReLU(inplace=True),
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)),
        nn.Linear(8, 18),
        nn.Tanh(),
        nn.Unflatten(1, (2, 3, 3)),
        Squared(),
        nn.ConvTranspose2d(2, 20, 3, stride=2),
        nn.BatchNorm2d(20),
        nn.SiLU(),
        nn.Conv2d(20, 24, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(24, affine=False),
        nn.BatchNorm2d(24, track_running_stats=False),
        nn.Flatten(),
        nn.Sigmoid(),
    )
    lived_in(decoder, lambda: torch.randn(16, 6))
    latents = torch.randn(10, 6)
    kept = latents.clone()
    fast = folded(decoder, 6)
    assert isinstance(fast, Folded)
    result = fast(latents)
    assert torch.equal(latents, kept)
    torch.testing.assert_close(result, decoder(latents), atol=1e-5, rtol=1e-5)


def test_wide_convolutions_stay_with_their_normalisation_folded_in():
    torch.manual_seed(0)
    wide = [nn.Unflatten(1, (32, 8, 8)), nn.ConvTranspose2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.GELU()]
    decoder = lived_in(nn.Sequential(nn.Linear(4, 2048), nn.ReLU(), *wide), lambda: torch.randn(16, 4))
    fast, latents = folded(decoder, 4), torch.randn(5, 4)
    layers = [type(layer).__name__ for layer in fast.steps[-1].layers]
    assert layers == ["Unflatten", "ConvTranspose2d", "GELU"]
    torch.testing.assert_close(fast(latents), decoder(latents), atol=1e-5, rtol=1e-5)


def test_double_precision_stays():
    model = build(PCKTAE(latent_dim=6), (1, 8, 8)).double().eval()
    latents = torch.randn(4, 6, dtype=torch.float64)
    torch.testing.assert_close(model.fast_decoder()(latents), model.decode(latents), atol=1e-12, rtol=1e-12)
