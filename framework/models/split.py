"""Stitching at any hidden layer: a module cut in two behind a layer that is told by its name.

    encode   everything up to and including the layer, flat:   images (N, C, H, W) → (N, *S) → latents (N, D)
    decode   the rest:                                         latents (N, D) → (N, *S) → outputs

A cut is possible where the layer's output is all that the rest needs. Past a layer inside a residual block runs
the block's input, and the rest needs both: such a layer is refused, and the layers behind which a cut is possible
are told. Sizes that the rest needs, the number of images for instance, are no obstacle: they follow from the
latents.

Both parts hold the module's own layers, not copies, and do what they do in eval mode.

Shapes: N images, C channels, H x W pixels, S the shape of the layer's output for one image, D = ΠS, K classes.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.models.base import Model, Shape, Task
from framework.models.cut import Cut
from framework.models.folding import folded
from framework.models.graph import LENGTHS, Traced, in_eval_mode, trace


class SplitModel(Model):
    """A module cut in two behind `layer`: `decode(encode(images))` is its output for `images`, bit by bit.

    `layer_shape` is S.
    """

    head: fx.GraphModule
    tail: fx.GraphModule

    def __init__(self, model: nn.Module, cut: Cut, layer: str, input_shape: Shape) -> None:
        super().__init__(math.prod(cut.shape), input_shape)
        self.layer, self.layer_shape = layer, cut.shape
        self.task, self.num_classes = _meaning(model, cut.traced, input_shape)
        self.head, self.tail = fx.GraphModule(model, cut.head()), fx.GraphModule(model, cut.tail())
        self.training = self.head.training = self.tail.training = model.training

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W): the layer's output, flat."""
        latents_ND: Tensor = self.head(images_NCHW).flatten(1)
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """What the rest makes of latents (N, D): images (N, C, H, W), or logits (N, K)."""
        # A copy, because a layer may overwrite what it is given.
        outputs: Tensor = self.tail(latents_ND.reshape(-1, *self.layer_shape).clone())
        return outputs

    def fast_decoder(self) -> Callable[[Tensor], Tensor]:
        """The rest with its affine layers put together (`folding.py`), where it is a chain of layers."""
        layers: list[nn.Module] = [nn.Unflatten(1, self.layer_shape)]
        nodes = list(self.tail.graph.nodes)
        for before, node in pairwise(nodes[:-1]):
            if node.op != "call_module" or node.args != (before,) or node.kwargs:
                return super().fast_decoder()
            layers.append(self.tail.get_submodule(node.target))
        return folded(nn.Sequential(*layers), self.latent_dim)


def split(model: nn.Module, layer: str, input_shape: Shape) -> SplitModel:
    """`model` as an encoder up to `layer` and a decoder from there on, in the mode in which it is.

    Args:
        model: Any module that takes images (N, *input_shape) and gives images of that shape or logits (N, K).
        layer: The name of a module in it, as in `named_modules()`.
        input_shape: Channels, height and width.

    Raises:
        InvalidInput: there is no such layer, something runs past it, or the module cannot be traced.
    """
    traced = trace(model, input_shape)
    if layer not in traced.outputs:
        names = [name for name, _ in model.named_modules() if name]
        message = (
            "which runs more than once, not at all, or inside a layer that is taken whole"
            if layer in names
            else nearest(layer, names)
        )
        raise InvalidInput([Problem("layer", f"is {layer!r}, {message}; {_possible(traced)}")])
    cut = Cut(traced, traced.outputs[layer])
    if cut.problem:
        raise InvalidInput([Problem("layer", f"is {layer!r}, {cut.problem}; {_possible(traced)}")])
    parts = SplitModel(model, cut, layer, input_shape)
    if not _agree(parts, model):
        message = (
            f"is {layer!r}, behind which the model cannot be cut: it overwrites a value that it uses elsewhere"
        )
        raise InvalidInput([Problem("layer", message)])
    return parts


def stitching_points(model: nn.Module, input_shape: Shape) -> dict[str, int]:
    """The layers behind which `split` can cut, in the order in which they run, each with its number of latents D.

    Raises:
        InvalidInput: the module cannot be traced.
    """
    return _points(trace(model, input_shape))


def _points(traced: Traced) -> dict[str, int]:
    order = {node: rank for rank, node in enumerate(traced.graph.nodes)}
    cuts = {
        name: Cut(traced, node) for name, node in sorted(traced.outputs.items(), key=lambda item: order[item[1]])
    }
    return {name: math.prod(cut.shape) for name, cut in cuts.items() if not cut.problem}


def _possible(traced: Traced) -> str:
    points = _points(traced)
    return f"a cut is possible behind {', '.join(points)}" if points else "a cut is possible behind no layer"


def _agree(parts: SplitModel, model: nn.Module) -> bool:
    like = next(model.parameters(), torch.empty(0))
    images = torch.rand(2, *parts.input_shape, generator=torch.Generator().manual_seed(0)).to(like)
    with in_eval_mode(model):
        return torch.allclose(parts(images), model(images), equal_nan=True)


def _meaning(model: nn.Module, traced: Traced, input_shape: Shape) -> tuple[Task, int | None]:
    """What the outputs are, and the number of classes where they are logits."""
    if isinstance(model, Model):
        return model.task, model.num_classes
    shape = traced.values[traced.graph.output_node()][0]
    if shape == (LENGTHS[0], *input_shape):
        return "reconstruction", None
    if len(shape) == 2 and shape[0] == LENGTHS[0]:
        return "classification", shape[1]
    message = f"gives {shape} for {LENGTHS[0]} images, which are neither images of shape {input_shape} nor logits"
    raise InvalidInput([Problem(type(model).__name__, message)])
