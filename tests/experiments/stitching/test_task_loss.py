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
    trained = train_on_task(
        start, lambda _: start, z, y, lambda y, rows: mean_error(y, rows, decoder, images), seed=0
    )
    design = torch.cat([z, torch.ones(N, 1)], dim=1).double().numpy()
    best, *_ = np.linalg.lstsq(
        design, images.double().numpy() @ np.linalg.pinv(decoder.double().numpy()), rcond=None
    )
    least = float(np.square(design @ best @ decoder.double().numpy() - images.double().numpy()).mean())
    everything = torch.arange(N)
    assert float(mean_error(start(z), everything, decoder, images)) > 20 * least
    assert float(mean_error(trained(z), everything, decoder, images)) < 1.1 * least


def test_what_is_held_out_was_not_fitted_either():
    z, y, decoder, images, _ = problem()
    fitted = []

    def fit(rows):
        fitted.append(rows)
        return Affine().fit(z[rows], y[rows])

    for count, folds in ((10, 5), (3, 3), (100, 3), (400, 1), (2, 0)):
        fitted.clear()
        start = Affine().fit(z[:count], y[:count])
        train_on_task(
            start, fit, z[:count], y[:count], lambda y, rows: mean_error(y, rows, decoder, images), seed=1
        )
        assert len(fitted) == folds
        held_out = [set(range(count)) - set(rows.tolist()) for rows in fitted]
        assert all(count // 5 <= len(rows) <= count // 3 + 1 for rows in held_out)
        assert len(set().union(*held_out)) == sum(map(len, held_out))  # each once


def test_an_exact_fit_comes_back_as_it_was():
    z, y, decoder, images, _ = problem(noise=0)
    trained = train_on_task(
        Affine().fit(z[:50], y[:50]),
        lambda rows: Affine().fit(z[rows], y[rows]),
        z[:50],
        y[:50],
        lambda y, rows: mean_error(y, rows, decoder, images),
        seed=1,
    )
    torch.testing.assert_close(trained(z), Affine().fit(z[:50], y[:50])(z), rtol=1e-3, atol=1e-3)


def test_of_few_anchors_a_fit_that_is_exact_on_them_may_still_be_left():
    """Ten anchors in twelve dimensions: least squares goes through all of them, whatever it does elsewhere."""
    rng = torch.Generator().manual_seed(3)
    z = torch.randn(N, 12, generator=rng)
    y = z @ torch.randn(12, E, generator=rng) / 4 + 0.5 * torch.randn(N, E, generator=rng)
    images = torch.tanh(2 * y)

    def loss(latents, rows):
        return (torch.tanh(2 * latents) - images[rows]).square().mean()

    start = Affine().fit(z[:10], y[:10])
    trained = train_on_task(start, lambda rows: Affine().fit(z[rows], y[rows]), z[:10], y[:10], loss, seed=0)
    assert not torch.equal(trained.weight, start.weight)


def test_a_dimension_without_variance_is_left_as_it_is():
    z, y, decoder, images, start = problem()
    z[:, 2] = 7.0
    trained = train_on_task(
        start, lambda _: start, z, y, lambda y, rows: mean_error(y, rows, decoder, images), seed=0
    )
    assert torch.equal(trained.weight[:, 2], start.weight[:, 2])
    assert torch.isfinite(trained(z)).all()
    assert isinstance(trained, AffineMapping)
