"""How weights, multipliers and rates go with the width n: abc-parametrisations. This module knows no tensor.

    W = n^-a w        w_ij ~ N(0, n^-2b) at the beginning        the rate of w is η n^-c                   (1)

for each layer [1]. The gradient of w is n^-a times that of W. So W begins with deviation n^-(a+b), and its own
rate is η n^-(c+2a) in SGD and η n^-(c+a) in Adam, whose steps forget the size of gradients. Hence the same
network is

    (a, b, c)   and   (a + t, b - t, c - 2t) in SGD, (a + t, b - t, c - t) in Adam                          (2)

The presets, for the first layer, the hidden ones and the last:

    preset              a                b                c in SGD            c in Adam
    standard            0    0    0      0    1/2  1/2     0    0    0         0    0    0                 (3)
    ntk                 0    1/2  1/2    0    0    0       0    0    0         1/2  1    1/2               (4)
    mup                -1/2  0    1/2    1/2  1/2  1/2     0    0    0         1/2  1    1/2               (5)
    modified_standard   0    0    0      0    1/2  1/2    -1/2  1/2  1         0    1    1                 (6)
    complete_p          as mup                                                                             (7)

Inputs and hidden units are of order 1. A sum over n units is of order n^1/2 where weights are independent of them,
and n where weights have learned from them. Gradients on hidden units are of order d = n^-(a+b) of the last layer.

(3) One rate for all layers, as is common practice: a step of Adam changes what a hidden layer gives by the order
    of n, a step of SGD the outputs. Table 1 of [1] has c = 1 instead, which is stable and learns no features.
(4) [1, Table 1] for SGD: a step changes outputs by order 1 and hidden units by n^-1/2, the kernel regime. Asking
    the same of Adam: the last layer changes outputs by n^-1/2 n^-c n, so c = 1/2. The first changes units by
    n^-c, along the weights that follow, which make n^1/2 times as much of it: c = 1/2. A hidden one does so by
    n^-1/2 n^-c n: c = 1.
(5) [1, Table 1] for SGD, [2] for Adam. d = 1/n. The rates of W are η times n, 1, 1/n in SGD and 1, 1/n, 1/n in
    Adam: each layer changes what it gives by order 1.
(6) [3], the largest rates if the change of each layer is aligned with its inputs. d = n^-1/2. SGD changes units of
    the first layer by n^-c d, hidden ones by n^-c d n, outputs by n^-c n; Adam by n^-c, n^-c n, n^-c n. Each is
    set to 1. It is left out that units move along the last layer's initial weights, which are n^-1/2: in the
    first steps that changes outputs by the order of n^1/2.
(7) [4] with alpha = 1: hidden layers are residual branches, divided by their number L. Rates of Adam do not
    depend on the depth, because L branches change by 1/L each. SGD, of which [4] does not speak, sees 1/L in
    gradients too, so that rates in branches are multiplied by L. The rest of [4] is for the optimiser, and is not
    done here: Adam's epsilon falls as 1/(n L) in branches and as 1/n elsewhere, AdamW's weight decay of hidden
    weights rises as n because it is multiplied by their rate. There is no layer normalisation.

Biases are weights from an input that is always 1, and have the exponents of the first layer. Those of the last
layer lead from a finite input to finitely many outputs, and do not scale.

[1] Yang and Hu, "Tensor programs IV: feature learning in infinite-width neural networks", 2021.
[2] Yang and Littwin, "Tensor programs IVb: adaptive optimization in the infinite-width limit", 2023.
[3] Everett et al., "Scaling exponents across parameterizations and optimizers", 2024.
[4] Dey et al., "Don't be lazy: CompleteP enables compute-efficient deep transformers", 2025.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from framework.errors import InvalidInput, Problem

Preset = Literal["standard", "ntk", "mup", "modified_standard", "complete_p"]
Scale = Literal["width", "fan_in"]
Family = Literal["sgd", "adam"]

FAMILIES: dict[str, Family] = {"sgd": "sgd", "adam": "adam", "adamw": "adam"}
"""The optimisers whose rates are known, by how their steps go with the size of gradients."""


class Exponents(NamedTuple):
    """The exponents of one layer in (1); c for SGD and for Adam."""

    a: float
    b: float
    c_sgd: float
    c_adam: float


FREE = Exponents(0, 0, 0, 0)
"""Of what does not scale with the width."""

_MUP = (Exponents(-0.5, 0.5, 0, 0.5), Exponents(0, 0.5, 0, 1), Exponents(0.5, 0.5, 0, 0.5))
PRESETS: dict[Preset, tuple[Exponents, Exponents, Exponents]] = {
    "standard": (FREE, Exponents(0, 0.5, 0, 0), Exponents(0, 0.5, 0, 0)),
    "ntk": (Exponents(0, 0, 0, 0.5), Exponents(0.5, 0, 0, 1), Exponents(0.5, 0, 0, 0.5)),
    "mup": _MUP,
    "modified_standard": (Exponents(0, 0, -0.5, 0), Exponents(0, 0.5, 0.5, 1), Exponents(0, 0.5, 1, 1)),
    "complete_p": _MUP,
}
"""The first layer's, the hidden layers' and the last layer's exponents."""


class Scaling(NamedTuple):
    """How one parameter scales: its n, its exponents, and the number of residual branches that it is one of."""

    n: int
    exponents: Exponents
    branches: int = 1

    @property
    def multiplier(self) -> float:
        """What the parameter is multiplied by when it is used: n^-a, divided by the number of branches (7)."""
        return float(self.n**-self.exponents.a) / self.branches

    @property
    def deviation(self) -> float:
        """The standard deviation that the parameter is drawn with: n^-b."""
        return float(self.n**-self.exponents.b)

    def rate(self, family: Family) -> float:
        """The factor of the learning rate: n^-c, times the number of branches in SGD (7)."""
        if family == "adam":
            return float(self.n**-self.exponents.c_adam)
        return float(self.n**-self.exponents.c_sgd) * self.branches


class LayerScaling(NamedTuple):
    """How the two parameters of a layer scale."""

    weight: Scaling
    bias: Scaling


def preset_exponents(preset: Preset, layers: int) -> tuple[Exponents, ...]:
    """The exponents of each layer of a network that has at least two."""
    first, hidden, last = PRESETS[preset]
    return (first, *[hidden] * (layers - 2), last)


def explicit_exponents(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> tuple[Exponents, ...]:
    """The exponents of each layer as they are given, for any optimiser."""
    return tuple(Exponents(*layer, layer[-1]) for layer in zip(a, b, c, strict=True))


def layer_scalings(
    exponents: Sequence[Exponents],
    sizes: Sequence[tuple[int, int]],
    widths: Sequence[int],
    scale: Scale,
    *,
    branches: int = 1,
) -> tuple[LayerScaling, ...]:
    """How each layer scales.

    Args:
        exponents: Of each layer.
        sizes: Numbers of inputs and outputs of each layer.
        widths: Of each layer the n of its weights where they scale by width.
        scale: `width`, as in (1), where the biases of a layer have its outputs for n; or `fan_in`: the weights of
            each layer by the number of its inputs, and biases not at all.
        branches: The number of residual branches; the hidden layers are one each.
    """
    last = len(exponents) - 1
    found = []
    for i, (own, (inputs, outputs), width) in enumerate(zip(exponents, sizes, widths, strict=True)):
        parts = branches if 0 < i < last else 1
        if scale == "fan_in":
            scaled = LayerScaling(Scaling(inputs, own, parts), Scaling(1, FREE, parts))
        else:
            bias = Scaling(1, FREE) if i == last else Scaling(outputs, exponents[0], parts)
            scaled = LayerScaling(Scaling(width, own, parts), bias)
        found.append(scaled)
    return tuple(found)


def family_of(optimizer: str) -> Family:
    """The family of an optimiser by its kind.

    Raises:
        InvalidInput: one whose rates are not known.
    """
    if optimizer not in FAMILIES:
        message = (
            f"is {optimizer!r}, for which no parametrisation has rates; allowed: {', '.join(sorted(FAMILIES))}. "
            "Networks of kind stack have no parametrisation, and take any"
        )
        raise InvalidInput([Problem("optimizer", message)])
    return FAMILIES[optimizer]
