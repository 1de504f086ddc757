import numpy as np
import torch

from experiments.stitching.task_loss import train_on_task
from framework.mappings.affine import Affine
from framework.mappings.base import AffineMapping

N, D, E, F = 400, 6, 4, 9


def problem(noise=0.05):
    """Latents that only the images tell how to map: a linear decoder, and a fit of latents that is far off."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(N, D, generator=rng) * torch.tensor([1.0, 10, 0.1, 1, 1, 5]) + 3
    decoder = torch.randn(E, F, generator=rng)
    images = z @ (torch.randn(D, E, generator=rng) / 10) @ decoder + noise * torch.randn(N, F, generator=rng)
    start = Affine(ridge=1e4).fit(z, torch.randn(N, E, generator=rng))
    return z, images @ torch.linalg.pinv(decoder), decoder, images, start


def mean_error(latents, rows, decoder, images):
    return (latents @ decoder - images[rows]).square().mean()


def test_through_a_linear_decoder_it_reaches_least_squares():
    z, y, decoder, images, start = problem()
    trained = train_on_task(start, z, y, lambda y, rows: mean_error(y, rows, decoder, images), seed=0)
    design = torch.cat([z, torch.ones(N, 1)], dim=1).double().numpy()
    best, *_ = np.linalg.lstsq(
        design, images.double().numpy() @ np.linalg.pinv(decoder.double().numpy()), rcond=None
    )
    least = float(np.square(design @ best @ decoder.double().numpy() - images.double().numpy()).mean())
    everything = torch.arange(N)
    assert float(mean_error(start(z), everything, decoder, images)) > 20 * least
    assert float(mean_error(trained(z), everything, decoder, images)) < 1.1 * least


def test_it_never_ends_worse_than_it_began_on_what_is_held_out():
    z, y, decoder, images, _ = problem()
    exact = Affine().fit(z, y)
    trained = train_on_task(exact, z[:8], y[:8], lambda y, rows: mean_error(y, rows, decoder, images), seed=1)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    held_out = order[:1]
    before, after = (float(mean_error(m(z[held_out]), held_out, decoder, images)) for m in (exact, trained))
    assert after <= before * 1.0001


def test_a_dimension_without_variance_is_left_as_it_is():
    z, y, decoder, images, start = problem()
    z[:, 2] = 7.0
    trained = train_on_task(start, z, y, lambda y, rows: mean_error(y, rows, decoder, images), seed=0)
    assert torch.equal(trained.weight[:, 2], start.weight[:, 2])
    assert torch.isfinite(trained(z)).all()
    assert isinstance(trained, AffineMapping)
