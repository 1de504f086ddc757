"""RegMean: layer by layer, the weights whose outputs come closest to what each model writes on its own inputs.

    W = (Σ_k G_k)⁻¹ Σ_k G_k W_k,    G_k = X_kᵀ X_k                                                              (1)
    G_k ← α G_k + (1 - α) diag(G_k)                                                                             (2)

minimises Σ_k ‖X_k W - X_k W_k‖² for the inputs X_k that the layer gets in model k (Jin, Ren, Preotiuc-Pietro and
Cheng, "Dataless knowledge fusion by merging weights of language models", 2023, section 3: the closed form for K
models, and the reduction of the off-diagonal). For one linear layer it is exact.

A bias is a row of W, for an input that is always 1; the paper takes the mean of biases. Convolutions are linear in
their patches, of which positions are left out, evenly, where there are many. All other parameters get the mean.
In directions that no input has, nothing is told, and (Σ G) has no inverse: what is solved is

    W = W̄ + (Σ_k G_k + λ I)⁻¹ Σ_k G_k (W_k - W̄),    λ = ridge · mean diag(Σ_k G_k)                             (3)

with W̄ the mean, which is (1) as λ goes to 0. Unlike `framework.fusion.regression` each layer is fitted on the
inputs that it has in the parents, all at once, and not on those of what is merged so far.

Shapes: S rows (inputs and positions), I columns of a layer's input (its kernel unfolded), O outputs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from framework.fusion.activations import PIECE
from framework.fusion.merging.config import RegMean
from framework.fusion.merging.vectors import mean, parameters_of
from framework.fusion.regression import MOST_ROWS, can_fit
from framework.fusion.unfolding import rows_of_layer
from framework.models.batch import Inputs, call, count, pieces
from framework.models.graph import in_eval_mode

ROOM = 2**28  # bytes of inner products at a time; layers beyond it wait for a further pass
PATCHES = 2**27  # bytes of unfolded patches at a time
Sums = dict[str, tuple[Tensor, Tensor]]


def regmean(models: Sequence[nn.Module], inputs: Sequence[Inputs], config: RegMean) -> dict[str, Tensor]:
    """The merged parameters by name. `inputs` are a batch of N for each model, which may be the same."""
    merged = mean([parameters_of(model) for model in models])
    for layers in _groups(models[0]):
        sums: Sums = {}
        centre = {name: _augmented(merged, name, module) for name, module in layers.items()}
        for model, own in zip(models, inputs, strict=True):
            weights = parameters_of(model)
            for name, gram_II in _inner_products(model, own, layers).items():
                damped_II = config.alpha * gram_II + (1 - config.alpha) * gram_II.diagonal().diag()  # (2)
                away_IO = _augmented(weights, name, layers[name]) - centre[name]
                before = sums.get(name)
                pulled_IO = damped_II @ away_IO
                sums[name] = (
                    (damped_II, pulled_IO) if before is None else (before[0] + damped_II, before[1] + pulled_IO)
                )
        for name, (gram_II, pulled_IO) in sums.items():
            fitted_IO = centre[name] + _solved(gram_II, pulled_IO, config.ridge)
            merged |= _apart(fitted_IO, merged, name, layers[name])
    return merged


def _solved(gram_II: Tensor, pulled_IO: Tensor, ridge: float) -> Tensor:
    """The second term of equation (3)."""
    strength = ridge * gram_II.diagonal().mean().clamp_min(torch.finfo(gram_II.dtype).tiny)
    damped_II = gram_II + strength * torch.eye(len(gram_II), dtype=gram_II.dtype)
    change_IO: Tensor = torch.linalg.solve(damped_II, pulled_IO)
    return change_IO


def _groups(model: nn.Module) -> Iterator[dict[str, Any]]:
    """Layers by name that are fitted together: as many as have room.

    A layer whose weight or bias also stands elsewhere is left out: what is best for it is not for the other.
    """
    holders = Counter(id(own) for part in model.modules() for own in part.parameters(recurse=False))
    group: dict[str, Any] = {}
    size = 0
    for name, layer in model.named_modules():
        own = dict(layer.named_parameters(recurse=False))
        if not can_fit(layer) or "weight" not in own or any(holders[id(part)] > 1 for part in own.values()):
            continue
        needed = 8 * (own["weight"][0].numel() + ("bias" in own)) ** 2
        if group and size + needed > ROOM:
            yield group
            group, size = {}, 0
        group[name], size = layer, size + needed
    if group:
        yield group


def _inner_products(model: nn.Module, inputs: Inputs, layers: dict[str, Any]) -> dict[str, Tensor]:
    """G_k of each layer that runs, (I, I) in double precision, on the CPU."""
    found: dict[str, Tensor] = {}
    every: dict[str, int] = {}

    def see(name: str, layer: Any, values: Tensor) -> None:
        per_image = layer.weight[0][0].numel() * values[0].numel() * values.element_size()
        for piece in torch.split(values, max(1, PATCHES // max(1, per_image))):
            rows_SI = rows_of_layer(layer, piece)
            step = every.setdefault(name, max(1, -(-count(inputs) * (len(rows_SI) // len(piece)) // MOST_ROWS)))
            rows_SI = rows_SI[::step]
            if layer.bias is not None:
                rows_SI = torch.cat([rows_SI, rows_SI.new_ones(len(rows_SI), 1)], dim=1)
            gram_II = (rows_SI.T @ rows_SI).cpu().double()
            found[name] = found[name] + gram_II if name in found else gram_II

    with ExitStack() as hooks, in_eval_mode(model):
        for name in layers:
            layer = model.get_submodule(name)
            handle = layer.register_forward_pre_hook(lambda module, given, name=name: see(name, module, given[0]))
            hooks.callback(handle.remove)
        for piece in pieces(inputs, PIECE):
            call(model, piece)
    return found


def _augmented(state: dict[str, Tensor], name: str, layer: Any) -> Tensor:
    """The layer's W, (I, O) in double precision on the CPU; its bias is the last row."""
    rows_IO = state[_key(name, "weight")].flatten(1).T
    if layer.bias is not None:
        rows_IO = torch.cat([rows_IO, state[_key(name, "bias")][None]])
    return rows_IO.cpu().double()


def _apart(fitted_IO: Tensor, like: dict[str, Tensor], name: str, layer: Any) -> dict[str, Tensor]:
    """`fitted_IO` as weight and bias."""
    weight = like[_key(name, "weight")]
    rows_IO = fitted_IO[:-1] if layer.bias is not None else fitted_IO
    found = {_key(name, "weight"): rows_IO.T.reshape(weight.shape).to(weight)}
    if layer.bias is not None:
        found[_key(name, "bias")] = fitted_IO[-1].to(weight)
    return found


def _key(name: str, which: str) -> str:
    return f"{name}.{which}" if name else which
