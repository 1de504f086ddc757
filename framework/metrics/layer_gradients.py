"""The squared length of each image's gradient, summed over images, without writing the gradients down.

Of a layer with inputs a and the gradient δ at its outputs, over T positions,

    linear, convolution   ||Σ_t δ_t a_tᵀ||² = Σ_ts (δ_t · δ_s)(a_t · a_s),   bias  ||Σ_t δ_t||²         [1]     (1)
    batch normalisation   ||Σ_t δ_t â_t||² of the normalised inputs,         bias  ||Σ_t δ_t||²

in eval mode. The left or the right side of (1) is taken, whichever is less work. Where a parameter belongs to no
such layer, or is used beside it, gradients are taken image by image; the outcome for one image is held against
autograd each time, so that a use which is not seen cannot pass.

[1] Goodfellow, "Efficient per-example gradient computations", 2015; of convolutions, Rochette, Manoel and Tramel,
    "Efficient per-example gradient computations in convolutional neural networks", 2019.

Shapes: N images, K classes, P weights, I inputs and O outputs of a layer, T positions.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from framework.metrics.perturbation import ROOM

Cotangents = Callable[[Tensor], Iterator[Tensor]]
Squares = Callable[[Tensor], Tensor]  # the gradient δ at a layer's outputs → squared lengths (N,)

AGREEMENT = 1e-3  # relative; in float32 both sides are right to about 1e-5


class Unsupported(Exception):
    """A model whose gradients are not all those of layers that equation (1) covers."""


def squared_gradients(model: nn.Module, images: Tensor, cotangents: Cotangents) -> list[float]:
    """Σ_n ||J_nᵀ w_n||² for each w (N, K) that `cotangents` gives of the logits (N, K).

    The model must be in eval mode; its parameters and their gradients are not touched.
    """
    try:
        return _by_layers(model, images, cotangents)
    except Unsupported:
        return _by_images(model, images, cotangents)


def _by_layers(model: nn.Module, images: Tensor, cotangents: Cotangents) -> list[float]:
    layers = _layers(model)
    seen: dict[nn.Module, tuple[Tensor, Squares]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if layer in seen or len(inputs) != 1 or len(inputs[0]) != len(images):
            raise Unsupported
        probe = torch.zeros_like(output, requires_grad=True)
        # A sum with zeros: δ is its gradient, whatever is done to the output in place.
        seen[layer] = (probe, layers[layer](layer, inputs[0].detach().clone()))
        return output + probe

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.enable_grad():
            logits_NK = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if len(seen) < len(layers) or not logits_NK.requires_grad:
        raise Unsupported
    probes = [probe for probe, _ in seen.values()]
    found: list[float] = []
    for weights_NK in cotangents(logits_NK.detach()):
        deltas = torch.autograd.grad(logits_NK, probes, weights_NK, retain_graph=True, allow_unused=True)
        squares = [own(d) for d, (_, own) in zip(deltas, seen.values(), strict=True) if d is not None]
        squares_N = torch.stack(squares).sum(dim=0)
        if not found:
            _refuse_difference(float(squares_N[0]), _single(model, images[0], weights_NK[0]))
        found.append(float(squares_N.double().sum()))
    return found


def _refuse_difference(found: float, expected: float) -> None:
    if not math.isclose(found, expected, rel_tol=AGREEMENT, abs_tol=1e-12):
        raise Unsupported


def _layers(model: nn.Module) -> dict[nn.Module, Callable[[nn.Module, Tensor], Squares]]:
    """The layers that hold all parameters, each with what (1) needs of it."""
    layers: dict[nn.Module, Callable[[nn.Module, Tensor], Squares]] = {}
    owned: list[int] = []
    for layer in model.modules():
        own = [id(parameter) for parameter in layer.parameters(recurse=False)]
        if not own:
            continue
        # Of exactly this type: a subclass may compute something else.
        covered = type(layer) in COVERED
        if isinstance(layer, nn.Conv2d):
            covered &= layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            covered &= layer.running_mean is not None
        if not covered:
            raise Unsupported
        layers[layer] = COVERED[type(layer)]
        owned += own
    if not layers or len(owned) != len(set(owned)):
        raise Unsupported
    return layers


def _linear(layer: nn.Module, inputs: Tensor) -> Squares:
    return _products(layer, inputs.flatten(1, -2) if inputs.dim() > 2 else inputs[:, None])


def _convolution(layer: nn.Module, inputs: Tensor) -> Squares:
    own = cast(nn.Conv2d, layer)
    padding = cast(tuple[int, int], own.padding)
    columns = F.unfold(inputs, own.kernel_size, own.dilation, padding, own.stride)
    squares = _products(layer, columns.transpose(1, 2))
    return lambda delta: squares(delta.flatten(2).transpose(1, 2))


def _products(layer: nn.Module, inputs_NTI: Tensor) -> Squares:
    positions, width = inputs_NTI.shape[1:]
    outputs = len(cast(Tensor, layer.weight))
    by_positions = positions * (width + outputs) < width * outputs
    gram_NTT = inputs_NTI @ inputs_NTI.transpose(1, 2) if by_positions else None

    def squares(delta: Tensor) -> Tensor:
        delta_NTO = delta.reshape(len(delta), positions, outputs)
        if gram_NTT is not None:
            squares_N = ((delta_NTO @ delta_NTO.transpose(1, 2)) * gram_NTT).sum(dim=(1, 2))
        else:
            squares_N = (delta_NTO.transpose(1, 2) @ inputs_NTI).square().sum(dim=(1, 2))
        return squares_N if layer.bias is None else squares_N + delta_NTO.sum(dim=1).square().sum(dim=1)

    return squares


def _normalisation(layer: nn.Module, inputs: Tensor) -> Squares:
    own = cast(nn.BatchNorm2d, layer)
    shape = (1, -1, *[1] * (inputs.dim() - 2))
    mean, variance = (cast(Tensor, buffer).view(shape) for buffer in (own.running_mean, own.running_var))
    normalised = (inputs - mean) / (variance + own.eps).sqrt()

    def squares(delta: Tensor) -> Tensor:
        scales_NC = (delta * normalised).flatten(2).sum(dim=2) if delta.dim() > 2 else delta * normalised
        shifts_NC = delta.flatten(2).sum(dim=2) if delta.dim() > 2 else delta
        return scales_NC.square().sum(dim=1) + shifts_NC.square().sum(dim=1)

    return squares


COVERED: dict[type[nn.Module], Callable[[nn.Module, Tensor], Squares]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _normalisation,
    nn.BatchNorm2d: _normalisation,
}


def _by_images(model: nn.Module, images: Tensor, cotangents: Cotangents) -> list[float]:
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    with torch.no_grad():
        logits_NK = model(images)
    numbers = sum(weight.numel() * weight.element_size() for weight in weights.values())
    at_once = max(1, ROOM // (4 * numbers))

    def squares(image: Tensor, weights_K: Tensor) -> Tensor:
        def mixed(named: dict[str, Tensor]) -> Tensor:
            logits_1K: Tensor = functional_call(model, named, (image[None],))
            return logits_1K[0] @ weights_K

        return torch.stack([g.square().sum() for g in grad(mixed)(weights).values()]).sum()

    found = []
    for weights_NK in cotangents(logits_NK):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of operations that vmap takes one by one
                squares_N = vmap(squares, chunk_size=at_once)(images, weights_NK)
        except (RuntimeError, NotImplementedError):
            pairs = zip(images, weights_NK, strict=True)
            squares_N = torch.tensor([_single(model, image, weights_K) for image, weights_K in pairs])
        found.append(float(squares_N.double().sum()))
    return found


def _single(model: nn.Module, image: Tensor, weights_K: Tensor) -> float:
    """||J_nᵀ w_n||² of one image, by autograd."""
    leaves = {name: parameter.detach().requires_grad_() for name, parameter in model.named_parameters()}
    with torch.enable_grad():
        logits_1K = functional_call(model, leaves, (image[None],))
        gradients = torch.autograd.grad(logits_1K[0] @ weights_K, list(leaves.values()), allow_unused=True)
    return sum(float(g.double().square().sum()) for g in gradients if g is not None)
