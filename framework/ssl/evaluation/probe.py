"""The linear probe: multinomial logistic regression on frozen features, to convergence.

    min_{W, b}  1/N Σ_i -log softmax(W x_i + b)[y_i] + λ/2 ‖W‖²                                               (1)

Features are standardised by mean and deviation of the train part (constant ones become 0). The objective is
convex, and strictly so in W: it is minimised by L-BFGS in double precision until the largest entry of its gradient
is at most `TOLERANCE`. λ is chosen from `GRID` by the accuracy on the val part, then by the cross-entropy there,
then the larger. scikit-learn's LogisticRegression has the same minimum with C = 1 / (λ N); the biases are free up
to a number that is added to all, and have the mean 0 here.

Shapes: N images, D features, C classes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import minimize  # type: ignore[import-untyped]
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.ssl.evaluation.features import Features
from framework.values import is_number

GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
TOLERANCE = 1e-5
ITERATIONS = 5000


class NotConverged(UserWarning):
    """The gradient is still larger than it is to be: the probe is not the minimum of its objective."""


@dataclass(frozen=True)
class Probe:
    """A fitted probe: W (C, D) and b (C,) for standardised features, and what there is to tell of the fit.

    A class without an image in train has the score -inf. `tried` has the accuracy on val of each λ.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor
    l2: float
    loss: float
    gradient: float
    iterations: int
    converged: bool
    tried: dict[float, float]

    @property
    def at_end(self) -> bool:
        """Whether λ is the first or the last of the grid, so that one beyond it could be better."""
        return len(self.tried) > 1 and self.l2 in (min(self.tried), max(self.tried))

    def scores(self, features_ND: Tensor) -> Tensor:
        """Log-probabilities (N, C), in double precision, where the probe lies."""
        standard_ND = (features_ND.to(self.weight) - self.mean) / self.std
        return F.log_softmax(F.linear(standard_ND, self.weight, self.bias), dim=1)


def fit_probe(
    train: Features,
    val: Features,
    num_classes: int,
    *,
    grid: Sequence[float] = GRID,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Probe:
    """The probe of the best λ of the grid; it lies where the features of train do.

    Warns:
        NotConverged: the probe that is chosen is not at its minimum after so many iterations.

    Raises:
        InvalidInput: no λ, or one that is not positive; features or labels of train and val that do not belong
            together, or fewer than two classes in train.
    """
    _refuse(train, val, num_classes, grid, tolerance, iterations)
    features_ND = train.features.double()
    mean_D, std_D = features_ND.mean(dim=0), features_ND.std(dim=0, correction=0)
    # What varies by rounding alone is constant.
    std_D = torch.where(std_D > 1e-7 * features_ND.abs().amax(dim=0), std_D, torch.ones_like(std_D))
    standard_ND = (features_ND - mean_D) / std_D
    there, labels_N = torch.unique(train.labels.to(standard_ND.device), return_inverse=True)
    start = np.zeros(len(there) * (standard_ND.shape[1] + 1))
    tried: dict[float, float] = {}
    best: tuple[tuple[float, float, float], Probe] | None = None
    for l2 in sorted(
        {float(value) for value in grid}, reverse=True
    ):  # each begins at the minimum of the one before
        start, told = _fitted(standard_ND, labels_N, len(there), l2, start, tolerance, iterations)
        weight_CD, bias_C = _spread(start, there, num_classes, standard_ND)
        probe = Probe(weight_CD, bias_C, mean_D, std_D, l2, *told, tried)
        accuracy, loss = _judged(probe, val)
        tried[l2] = accuracy
        if best is None or (accuracy, -loss, l2) > best[0]:
            best = (accuracy, -loss, l2), probe
    if best is None:  # which the refusal of an empty grid rules out
        raise InvalidInput([Problem("grid", "is empty")])
    chosen = best[1]
    if not chosen.converged:
        helps = (
            "more iterations" if chosen.iterations >= iterations else "a larger tolerance: rounding ends it here"
        )
        message = (
            f"the linear probe (l2 = {chosen.l2:g}) has not converged after {chosen.iterations} iterations: the "
            f"largest entry of its gradient is {chosen.gradient:.1e}, not {tolerance:g}; allow {helps}"
        )
        warnings.warn(message, NotConverged, stacklevel=2)
    return chosen


def _fitted(
    standard_ND: Tensor,
    labels_N: Tensor,
    classes: int,
    l2: float,
    start: npt.NDArray[np.float64],
    tolerance: float,
    iterations: int,
) -> tuple[npt.NDArray[np.float64], tuple[float, float, int, bool]]:
    """The minimum of equation (1) as one vector, and its loss, gradient, iterations, and whether it is one."""
    count, width = standard_ND.shape
    rows_N = torch.arange(count, device=standard_ND.device)

    def objective(vector: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        parameters = torch.from_numpy(vector.reshape(classes, width + 1)).to(standard_ND.device)
        weight_CD, bias_C = parameters[:, :width], parameters[:, width]
        logs_NC = F.log_softmax(torch.addmm(bias_C, standard_ND, weight_CD.t()), dim=1)
        loss = -logs_NC[rows_N, labels_N].mean() + l2 / 2 * weight_CD.square().sum()
        errors_NC = logs_NC.exp_()
        errors_NC[rows_N, labels_N] -= 1
        errors_NC /= count
        gradient = torch.cat([errors_NC.t() @ standard_ND + l2 * weight_CD, errors_NC.sum(dim=0)[:, None]], dim=1)
        return float(loss), gradient.cpu().numpy().ravel()

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "gtol": tolerance, "ftol": 0.0, "maxcor": 20}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    loss, gradient = objective(found.x)
    largest = float(np.abs(gradient).max())
    return found.x, (loss, largest, int(found.nit), largest <= tolerance)


def _spread(
    vector: npt.NDArray[np.float64], there: Tensor, num_classes: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """W (C, D) and b (C,) of all classes, of those that train has."""
    parameters = torch.from_numpy(vector.reshape(len(there), -1).copy()).to(like.device)
    weight_CD = like.new_zeros(num_classes, like.shape[1])
    bias_C = like.new_full((num_classes,), -torch.inf)
    weight_CD[there] = parameters[:, :-1]
    bias_C[there] = parameters[:, -1] - parameters[:, -1].mean()
    return weight_CD, bias_C


def _judged(probe: Probe, val: Features) -> tuple[float, float]:
    """Accuracy and cross-entropy on val."""
    scores_NC = probe.scores(val.features)
    labels_N = val.labels.to(scores_NC.device)
    accuracy = float((scores_NC.argmax(dim=1) == labels_N).double().mean())
    return accuracy, float(F.nll_loss(scores_NC, labels_N))


def _refuse(
    train: Features, val: Features, num_classes: int, grid: Sequence[float], tolerance: float, iterations: int
) -> None:
    problems = []
    if not grid or not all(is_number(value) and value > 0 for value in grid):
        problems.append(Problem("grid", f"is {grid!r}; allowed: positive weights of the penalty, one or more"))
    if not (is_number(tolerance) and tolerance > 0):
        problems.append(Problem("tolerance", f"is {tolerance!r}; allowed: a number above 0"))
    if not (is_number(iterations, whole=True) and iterations >= 1):
        problems.append(Problem("iterations", f"is {iterations!r}; allowed: 1 or more"))
    for name, part in (("train", train), ("val", val)):
        if part.features.ndim != 2 or part.labels.shape != part.features.shape[:1] or 0 in part.features.shape:
            shapes = f"{tuple(part.features.shape)} and labels {tuple(part.labels.shape)}"
            problems.append(Problem(name, f"has features {shapes}; allowed: (N, D) and (N,)"))
        elif not bool(torch.isfinite(part.features).all()):
            problems.append(Problem(name, "has NaN or infinite features; the model that gave them diverged"))
        elif not 0 <= int(part.labels.min()) <= int(part.labels.max()) < num_classes:
            problems.append(Problem(name, f"has labels that are none of 0 to {num_classes - 1}"))
    if not problems and len(torch.unique(train.labels)) < 2:
        problems.append(Problem("train", "has images of one class only; allowed: two classes or more"))
    if not problems and train.features.shape[1] != val.features.shape[1]:
        message = f"has {val.features.shape[1]} features where train has {train.features.shape[1]}; take one model"
        problems.append(Problem("val", message))
    if problems:
        raise InvalidInput(problems, "probe")
