"""The trace of the Hessian of a classifier's loss, the mean cross-entropy per image.

With the logits f of image n, their softmax p and its curvature A = diag(p) - p pᵀ,

    H = G + R,   G = 1/N Σ_n J_nᵀ A_n J_n,   R = 1/N Σ_n Σ_k (p_nk - y_nk) ∇² f_k(x_n)                          (1)
    tr G = 1/N Σ_n Σ_k p_nk ||J_nᵀ (e_k - p_n)||²                                                              (2)

(2) takes a backward pass for each class, through the activations alone: the squared gradient of a layer's weights
is made of its inputs and the gradients at its outputs, without ever being written down. Of more classes than
`probes`, ||J_nᵀ L z||² with random signs z, where A = L Lᵀ, has the same mean; each image has draws of its own.

R has a trace only where a logit is curved in a single weight tensor. It is not in networks of linear layers,
convolutions, ReLU, pooling and batch normalisation in eval mode; whether it is, is asked of each tensor by
differentiating twice. If so, tr R is estimated by Hutchinson's probes vᵀ H v - vᵀ G v, which scatter much less
than those of H.

Shapes: N images, K classes, P weights, T positions of a layer's output.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from framework.metrics.hessian_product import HessianProduct
from framework.metrics.layer_gradients import squared_gradients
from framework.metrics.perturbation import Batch, generator

STREAM = 3  # of the random numbers: no other measure may draw the same
FEWEST_PROBES = 3
PIECE = 32  # images: a convolution's inputs are held once for each position of its kernel
CHECKED = 8  # images on which curvature in a single tensor is looked for


@dataclass(frozen=True)
class Trace:
    """The trace, how uncertain it is (0 if exact but for rounding), and the random vectors it took."""

    value: float
    standard_error: float
    probes: int

    def __float__(self) -> float:
        """The trace."""
        return self.value


def trace(
    model: nn.Module,
    batches: Sequence[Batch],
    product: HessianProduct,
    *,
    probes: int,
    tolerance: float,
    seed: int,
) -> Trace:
    """tr H of equation (1), of a model in eval mode.

    Args:
        model: Gives logits.
        batches: Those that `product` is of.
        product: Asked only where the logits are curved in a weight tensor.
        probes: Backward passes a batch that (2) may take, and vectors that tr R may.
        tolerance: Standard error relative to the trace at which the probes of tr R end.
        seed: Of the random signs.
    """
    value, error, taken = curvature_trace(model, batches, probes=probes, seed=seed)
    if affine_in_each_tensor(model, batches[0][0][:CHECKED], seed):
        return Trace(value, error, taken)
    rests: list[float] = []
    numbers = generator(seed, STREAM, 1)
    reference = next(model.parameters())
    for _ in range(probes):
        signs_P = _signs((product.num_weights,), numbers).to(reference)
        rests.append(float(signs_P @ product(signs_P)) - curvature_along(model, batches, signs_P))
        if len(rests) >= FEWEST_PROBES:
            scatter = statistics.stdev(rests) / math.sqrt(len(rests))
            if scatter <= tolerance * abs(value + statistics.fmean(rests)):
                break
    scatter = statistics.stdev(rests) / math.sqrt(len(rests))
    return Trace(value + statistics.fmean(rests), math.hypot(error, scatter), taken + len(rests))


def curvature_trace(
    model: nn.Module, batches: Sequence[Batch], *, probes: int, seed: int
) -> tuple[float, float, int]:
    """tr G by (2), its standard error, and the random draws it took: 0 of up to `probes` classes."""
    numbers = generator(seed, STREAM, 0)
    totals: list[float] = []
    num_classes = 0
    for piece in (piece for images, _ in batches for piece in torch.split(images, PIECE)):

        def cotangents(logits_NK: Tensor) -> Iterator[Tensor]:
            nonlocal num_classes
            num_classes = logits_NK.shape[1]
            shares_NK = logits_NK.softmax(dim=1)
            for k in range(min(num_classes, probes)):
                if num_classes <= probes:
                    mixed_NK = torch.zeros_like(shares_NK)
                    mixed_NK[:, k] = shares_NK[:, k].sqrt()
                else:
                    mixed_NK = shares_NK.sqrt() * _signs(tuple(shares_NK.shape), numbers).to(shares_NK)
                yield mixed_NK - shares_NK * mixed_NK.sum(dim=1, keepdim=True)

        found = squared_gradients(model, piece, cotangents)
        totals = [a + b for a, b in zip(totals or [0.0] * len(found), found, strict=True)]
    count = sum(len(labels) for _, labels in batches)
    if num_classes <= probes:
        return sum(totals) / count, 0.0, 0
    means = [total / count for total in totals]
    return statistics.fmean(means), statistics.stdev(means) / math.sqrt(probes), probes


def curvature_along(model: nn.Module, batches: Sequence[Batch], vector_P: Tensor) -> float:
    """vᵀ G v, by J v as the derivative of w ↦ (Jᵀ w) · v."""
    total, count = 0.0, 0
    leaves = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
    vectors = torch.split(vector_P, [leaf.numel() for leaf in leaves.values()])
    for images, labels in batches:
        with torch.enable_grad():
            logits_NK = functional_call(model, leaves, (images,))
            weights_NK = torch.zeros_like(logits_NK, requires_grad=True)
            pulled = torch.autograd.grad(
                logits_NK,
                list(leaves.values()),
                weights_NK,
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            along = sum((p.flatten() @ v for p, v in zip(pulled, vectors, strict=True)), torch.zeros(()))
            (pushed_NK,) = torch.autograd.grad(along, weights_NK)
        shares_NK = logits_NK.detach().softmax(dim=1)
        means_N = (shares_NK * pushed_NK).sum(dim=1)
        total += float((shares_NK * pushed_NK.square()).sum() - means_N.square().sum())
        count += len(labels)
    return total / count


def affine_in_each_tensor(model: nn.Module, images: Tensor, seed: int) -> bool:
    """Whether no logit of `images` is curved along a random direction within any single weight tensor."""
    numbers = generator(seed, STREAM, 2)
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def curved(name: str) -> bool:
        weight = weights[name]
        with torch.enable_grad():
            step = torch.zeros((), dtype=weight.dtype, device=weight.device, requires_grad=True)
            logits = functional_call(model, {**weights, name: weight + step * along(weight)}, (images,))
            mixed = (logits * along(logits)).sum()
            if not mixed.requires_grad:
                return False
            (slope,) = torch.autograd.grad(mixed, step, create_graph=True)
            if not slope.requires_grad:
                return False
            (curvature,) = torch.autograd.grad(slope, step, allow_unused=True, materialize_grads=True)
        return bool(curvature != 0)  # NaN too: then nothing is known

    def along(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=numbers).to(like)

    return not any(curved(name) for name in weights)


def _signs(shape: tuple[int, ...], numbers: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=numbers).mul_(2).sub_(1)
