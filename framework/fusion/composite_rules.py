"""Layers of torch that hold several layers: recurrent ones, and those of a transformer.

The gates of a recurrent unit move with it: in each matrix the rows of unit j are one in every gate, and the state
that it leaves is column j of the next step,

    h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)                                                              (1)

Shapes: labels are tensors of units; T steps, N inputs, I units in, H units of a direction, D directions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from framework.fusion.function_rules import combined
from framework.fusion.layer_rules import attention, layer_norm, linear
from framework.fusion.units import Ints
from framework.fusion.walk import Unknown, Walk, spread

Composite = Callable[[Walk, str, Any, tuple[Any, ...], dict[str, Any]], Any]


def recurrent(walk: Walk, name: str, module: nn.RNNBase, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """RNN, GRU and LSTM: (…, I) → (…, D H), and the last states."""
    labels, start = (*args, *kwargs.values(), None)[:2]
    if not isinstance(labels, Tensor):
        raise Unknown("takes packed sequences, which have no rule; pad them instead")
    starts = [] if start is None else [start] if isinstance(start, Tensor) else list(start)
    lasts: list[Ints] = []
    for layer in range(module.num_layers):
        written = []
        for suffix in ("", "_reverse")[: 1 + module.bidirectional]:
            units_H = _direction(walk, f"{name}.{{}}_l{layer}{suffix}", module, walk.along(labels, -1))
            for state in starts:  # what the first step reads
                walk.units.same(walk.along(state[len(lasts)], -1), units_H)
            written.append(units_H)
            lasts.append(units_H)
        outputs = np.concatenate(written)
        labels = spread(outputs, labels.ndim - 1, (*labels.shape[:-1], len(outputs)))
    batch = labels.shape[:-1][0 if module.batch_first else 1 :][: labels.ndim - 2]
    last = torch.stack([spread(units_H, len(batch), (*batch, len(units_H))) for units_H in lasts])
    return labels, (last, last) if isinstance(module, nn.LSTM) else last


def _direction(walk: Walk, name: str, module: nn.RNNBase, inputs_I: Ints) -> Ints:
    units_H = walk.units.new(module.hidden_size)
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1)
    rows = np.tile(units_H, gates)
    for weight, columns in (("weight_ih", inputs_I), ("weight_hh", units_H)):
        walk.slot(name.format(weight), 1, columns, "reads")
        walk.slot(name.format(weight), 0, rows, "writes")
    if module.bias:
        for bias in ("bias_ih", "bias_hh"):
            walk.slot(name.format(bias), 0, rows, "writes")
    return units_H


def encoder_layer(walk: Walk, name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Self-attention and a layer between, each added to the stream; masks are fixed."""
    stream: Tensor = args[0] if args else kwargs["src"]
    stream = _attended(walk, f"{name}.self_attn", module.self_attn, stream, stream)
    return _layers(walk, name, module, stream, norms=2)


def encoder(walk: Walk, name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Layers one behind the other, and a normalisation."""
    stream: Tensor = args[0] if args else kwargs["src"]
    for number, layer in enumerate(module.layers):
        stream = encoder_layer(walk, f"{name}.layers.{number}", layer, (stream,), {})
    return _normalised(walk, f"{name}.norm", module.norm, stream)


def decoder_layer(walk: Walk, name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """As an encoder's, with attention to the memory."""
    stream, memory = _two(args, kwargs, "tgt", "memory")
    stream = _attended(walk, f"{name}.self_attn", module.self_attn, stream, stream)
    stream = _attended(walk, f"{name}.multihead_attn", module.multihead_attn, stream, memory)
    return _layers(walk, name, module, stream, norms=3)


def decoder(walk: Walk, name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Layers one behind the other, all with the same memory, and a normalisation."""
    stream, memory = _two(args, kwargs, "tgt", "memory")
    for number, layer in enumerate(module.layers):
        stream = decoder_layer(walk, f"{name}.layers.{number}", layer, (stream, memory), {})
    return _normalised(walk, f"{name}.norm", module.norm, stream)


def _two(args: tuple[Any, ...], kwargs: dict[str, Any], first: str, second: str) -> tuple[Tensor, Tensor]:
    values = {**dict(zip((first, second), args, strict=False)), **kwargs}
    return values[first], values[second]


def _attended(walk: Walk, name: str, module: Any, stream: Tensor, memory: Tensor) -> Tensor:
    return combined(walk, stream, attention(walk, name, module, (stream, memory, memory), {})[0])


def _layers(walk: Walk, name: str, module: Any, stream: Tensor, norms: int) -> Tensor:
    """What is alike in both kinds; a normalisation leaves every unit what it is, wherever it stands."""
    shape = tuple(stream.shape)
    for number in range(1, norms + 1):
        stream = _normalised(walk, f"{name}.norm{number}", getattr(module, f"norm{number}"), stream)
    inner, outer = module.linear1, module.linear2
    hidden = linear(walk, f"{name}.linear1", inner, stream, (*shape[:-1], inner.out_features))
    return combined(walk, stream, linear(walk, f"{name}.linear2", outer, hidden, shape))


def _normalised(walk: Walk, name: str, module: Any, stream: Tensor) -> Tensor:
    return stream if module is None else layer_norm(walk, name, module, stream, tuple(stream.shape))


COMPOSITES: dict[type, Composite] = {
    nn.RNNBase: recurrent,
    nn.TransformerEncoderLayer: encoder_layer,
    nn.TransformerEncoder: encoder,
    nn.TransformerDecoderLayer: decoder_layer,
    nn.TransformerDecoder: decoder,
}
