"""What it costs to match one hidden unit with another, from features that come in pieces.

All ground metrics follow from inner products, which add up over layers and over batches of inputs, so that no
features need to be kept. With a_i the features of unit i of the model, b_j of unit j of the reference,

    squared distance  ‖a_i - b_j‖² = ‖a_i‖² - 2 <a_i, b_j> + ‖b_j‖²                                             (1)
    cosine distance   1 - <a_i, b_j> / (‖a_i‖ ‖b_j‖)                                                            (2)

Shapes: n units of the model, m of the reference, D features.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from framework.fusion.config import Ground

TINY = 1e-12
FEW = 32  # features up to which products are taken in double precision
PIECE = 64  # numbers that are summed in the precision that they have
CONSTANT = 1e-11  # of a unit's mean square: a variance below it is rounding


@dataclass
class Products:
    """Sums over features: inner products (n, m), squared norms, sums, (n,) and (m,), and their number.

    `constants_n`, `constants_m`: of centred features, the value of a unit that has but one; NaN for all others.
    """

    cross_nm: Tensor
    squares_n: Tensor
    squares_m: Tensor
    sums_n: Tensor
    sums_m: Tensor
    count: int
    constants_n: Tensor | None = None
    constants_m: Tensor | None = None

    @classmethod
    def of(cls, model_nD: Tensor, reference_mD: Tensor, *, sums: bool = True) -> "Products":
        """Of features of both models. Without `sums` these are NaN, and so is what is `centred`."""
        if model_nD.shape[1] <= FEW:  # short rows lie close together, and cost nothing
            model_nD, reference_mD = model_nD.double(), reference_mD.double()
        return cls(
            (model_nD @ reference_mD.T).cpu().double(),
            _squares(model_nD).cpu(),
            _squares(reference_mD).cpu(),
            _sums(model_nD, sums),
            _sums(reference_mD, sums),
            model_nD.shape[1],
        )

    def __add__(self, other: "Products") -> "Products":
        return Products(
            self.cross_nm + other.cross_nm,
            self.squares_n + other.squares_n,
            self.squares_m + other.squares_m,
            self.sums_n + other.sums_n,
            self.sums_m + other.sums_m,
            self.count + other.count,
        )

    def centred(self) -> "Products":
        """Of features less each unit's mean; of a unit that is constant nothing is left, not even rounding."""
        squares_n, constants_n = self._about_mean(self.squares_n, self.sums_n)
        squares_m, constants_m = self._about_mean(self.squares_m, self.sums_m)
        varies_nm = torch.outer((squares_n > 0).double(), (squares_m > 0).double())
        return Products(
            (self.cross_nm - torch.outer(self.sums_n, self.sums_m) / self.count) * varies_nm,
            squares_n,
            squares_m,
            torch.zeros_like(self.sums_n),
            torch.zeros_like(self.sums_m),
            self.count,
            constants_n,
            constants_m,
        )

    def _about_mean(self, squares_n: Tensor, sums_n: Tensor) -> tuple[Tensor, Tensor]:
        """Squared norms about the mean, 0 for a unit that is constant, and the values of those that are."""
        about_n = squares_n - sums_n.square() / self.count
        constant_n = about_n <= CONSTANT * squares_n
        values_n = torch.where(constant_n, sums_n / self.count, torch.nan)
        return torch.where(constant_n, 0.0, about_n), values_n

    def normalised(self) -> "Products":
        """Of features of unit length; a unit whose features are all zero keeps them.

        Centred features of a constant unit are zero: it counts as correlated with the constant units of the same
        value, and with no other unit.
        """
        if self.constants_n is not None and self.constants_m is not None:
            return self._with_constants(self.constants_n, self.constants_m)
        length_n, length_m = self.squares_n.sqrt().clamp_min(TINY), self.squares_m.sqrt().clamp_min(TINY)
        return Products(
            self.cross_nm / torch.outer(length_n, length_m),
            (self.squares_n > 0).double(),
            (self.squares_m > 0).double(),
            self.sums_n / length_n,
            self.sums_m / length_m,
            self.count,
        )

    def _with_constants(self, constants_n: Tensor, constants_m: Tensor) -> "Products":
        plain = dataclasses.replace(self, constants_n=None, constants_m=None).normalised()
        close_nm = torch.isclose(constants_n[:, None], constants_m, rtol=1e-5, atol=TINY)  # never with a NaN
        return dataclasses.replace(
            plain,
            cross_nm=torch.where(close_nm, 1.0, plain.cross_nm),
            squares_n=torch.where(constants_n.isnan(), plain.squares_n, 1.0),
            squares_m=torch.where(constants_m.isnan(), plain.squares_m, 1.0),
        )


def total(pieces: Sequence[Products]) -> Products:
    """The products of features that lie side by side."""
    return functools.reduce(operator.add, pieces)


def _squares(features_nD: Tensor) -> Tensor:
    """Squared norms (n,), float64. Single precision would lose digits over a long row: only pieces are in it."""
    whole = features_nD.shape[1] // PIECE * PIECE
    pieces = features_nD[:, :whole].reshape(len(features_nD), whole // PIECE, PIECE)
    squares: Tensor = torch.linalg.vector_norm(pieces, dim=2).double().square().sum(1)
    return squares + features_nD[:, whole:].double().square().sum(1)


def _sums(features_nD: Tensor, wanted: bool) -> Tensor:
    if not wanted:
        return torch.full((len(features_nD),), torch.nan, dtype=torch.float64)
    return features_nD.sum(1, dtype=torch.float64).cpu()


def distances(products: Products, ground: Ground) -> Tensor:
    """The costs (n, m), float64, by equation (1) or (2), scaled and clipped as `ground` says."""
    if ground.metric == "cosine":
        cost_nm = 1 - products.normalised().cross_nm
    else:
        cost_nm = products.squares_n[:, None] - 2 * products.cross_nm + products.squares_m
        cost_nm = cost_nm.clamp_min_(0)
        cost_nm = cost_nm if ground.squared else cost_nm.sqrt_()
    return _clipped(_scaled(cost_nm, ground.scale), ground.clip)


def _scaled(cost_nm: Tensor, scale: str) -> Tensor:
    if scale == "log":
        return cost_nm.log1p()
    if scale == "none":
        return cost_nm
    by: dict[str, Callable[[], Tensor]] = {"max": cost_nm.max, "mean": cost_nm.mean, "median": cost_nm.median}
    return cost_nm / by[scale]().clamp_min(TINY)


def _clipped(cost_nm: Tensor, clip: tuple[float, float] | None) -> Tensor:
    return cost_nm if clip is None else cost_nm.clamp(*clip)
