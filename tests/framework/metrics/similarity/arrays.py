"""Arrays that the tests of similarity share."""

import numpy as np
from scipy.stats import ortho_group


def independent(n, d, e, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, e))


def related(n, d, e, noise=0.5, seed=0):
    """The second is a noisy linear map of the first, away from the origin."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(0.5, 3, d) + 2
    return x, x @ rng.normal(size=(d, e)) + noise * rng.normal(size=(n, e)) - 1


def turned(x, seed=0, scale=3.0, shift=5.0):
    return scale * x @ ortho_group.rvs(x.shape[1], random_state=seed) + shift
