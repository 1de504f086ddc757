"""The Hessian of a classifier's loss at its weights: its largest eigenvalue, its trace, its spectral density.

The loss is the mean cross-entropy per image on given train batches, the model is in eval mode and is left as it
was. What is found, and how, is in `hessian_lanczos` and `hessian_curvature`.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from framework.metrics.hessian_curvature import Trace, trace
from framework.metrics.hessian_lanczos import Density, TopEigenvalue, density, top_eigenvalue
from framework.metrics.hessian_product import HessianProduct
from framework.metrics.metric import Metric
from framework.metrics.perturbation import Batch, Objective, generator, steady
from framework.metrics.spaces_config import HessianConfig

TOP_EIGENVALUE = Metric(
    name="hessian_top_eigenvalue",
    unit="nats / squared unit of the weights",
    better="lower",
    reduction="one number for the network, of the mean over images",
)

TRACE = Metric(
    name="hessian_trace",
    unit="nats / squared unit of the weights",
    better="lower",
    reduction="one number for the network, of the mean over images",
)

STREAM = 4  # of the random numbers: no other measure may draw the same


class Hessian:
    """The Hessian of `model` on train `batches`, for as long as it lives; `with Hessian(…) as hessian`.

    Raises:
        InvalidInput: no batches, or weights or a loss that are not finite.
    """

    def __init__(self, model: nn.Module, batches: Sequence[Batch], config: HessianConfig, *, seed: int) -> None:
        self._model, self._batches, self._config, self._seed = model, batches, config, seed
        self._steady = steady(model)

    def __enter__(self) -> "Hessian":
        self._steady.__enter__()
        try:
            self._weights_P = Objective(self._model, self._batches).weights_P
            self._product = HessianProduct(self._model, self._batches)
        except BaseException:
            self._steady.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        del self._product
        self._steady.__exit__(None, None, None)

    def top_eigenvalue(self) -> TopEigenvalue:
        """The largest eigenvalue, by Lanczos' iteration."""
        start_P = self._start(0)
        config = self._config
        return top_eigenvalue(self._product, start_P, config.lanczos_steps, config.eigenvalue_tolerance)

    def trace(self) -> Trace:
        """The sum of the eigenvalues: exact for piecewise linear networks of few classes."""
        config = self._config
        return trace(
            self._model,
            self._batches,
            self._product,
            probes=config.trace_probes,
            tolerance=config.trace_tolerance,
            seed=self._seed,
        )

    def density(self) -> Density:
        """How the eigenvalues are spread, by stochastic Lanczos quadrature."""
        config = self._config
        return density(self._product, self._starts(), config.density_steps, config.density_bins)

    def _starts(self) -> Iterator[Tensor]:
        for draw in range(self._config.density_draws):
            yield self._start(1 + draw)

    def _start(self, draw: int) -> Tensor:
        normal_P = torch.randn(self._weights_P.shape, generator=generator(self._seed, STREAM, draw))
        return normal_P.to(self._weights_P)
