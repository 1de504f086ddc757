"""The loss of a classifier as a function of its weights, and the search for a perturbation that it bears.

The loss is the mean cross-entropy per image, in nats, over batches that do not change: the perturbed and the
unperturbed loss are of the same images, so that their difference is zero without a perturbation. The model runs
in eval mode; its buffers, the statistics of batch normalisation among them, are not perturbed, and none of its
tensors is written to.

Shapes: P weights, R perturbations, B images in a batch, C channels, H x W pixels.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from framework.errors import InvalidInput, Problem
from framework.metrics.spaces_config import SigmaConfig
from framework.models.batch import refuse_other_classes, running
from framework.seeds import refuse_no_seed, unsigned

Batch = tuple[Tensor, Tensor]  # images (B, C, H, W), labels (B,)

PIECE = 512  # images whose loss is taken at once
ROOM = 512 * 2**20  # bytes that the weights, steps and gradients of perturbations taken together may need
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def generator(seed: int, *stream: int) -> torch.Generator:
    """The same numbers for the same seed and place, on any device: they are drawn on the CPU.

    Raises:
        InvalidInput: the seed is none.
    """
    refuse_no_seed(seed)
    state = np.random.SeedSequence([unsigned(seed), *stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


@contextmanager
def steady(model: nn.Module) -> Iterator[None]:
    """Eval mode; each part comes back in the mode that it was in, which need not be that of the whole.

    Attention runs in its plain form: the fused ones cannot be differentiated twice.
    """
    training = {part: part.training for part in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(False), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for part, mode in training.items():
            part.training = mode


class Objective:
    """The mean cross-entropy per image of `model` on `batches`, in nats, of weights (P,) in place of its own.

    Use it within `steady(model)`.

    Attributes:
        weights_P: All parameters of the model as one vector, in the order of `named_parameters`.
        loss: The loss at them.

    Raises:
        InvalidInput: no batches, images that the model does not run on, parameters that are not finite, or a loss
            that is not.
    """

    def __init__(self, model: nn.Module, batches: Sequence[Batch]) -> None:
        self.model, self.batches = model, list(batches)
        self._shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        self._buffers = dict(model.named_buffers())
        self.weights_P = flat(model)
        if not self.batches:
            raise InvalidInput([Problem("batches", "is empty; the loss needs one batch of train images or more")])
        images, labels = (torch.cat(tensors) for tensors in zip(*self.batches, strict=True))
        refuse_no_logits(model, images, labels)
        self._pieces = list(zip(torch.split(images, PIECE), torch.split(labels, PIECE), strict=True))
        self._count = len(labels)
        with running(model, images):
            self.loss = self.at(self.weights_P)
        if not math.isfinite(self.loss):
            message = f"is {self.loss} on the train images before any perturbation; a measure needs a finite one"
            raise InvalidInput([Problem("loss", message)])
        wide = 4 * self.weights_P.numel() * self.weights_P.element_size()
        # Convolutions with a kernel for each perturbation run as grouped ones, which are slow on CPUs.
        alone = self.weights_P.device.type == "cpu" and any(isinstance(m, CONVOLUTIONS) for m in model.modules())
        self.at_once = 1 if alone else max(1, ROOM // wide)

    @torch.no_grad()
    def at(self, weights_P: Tensor) -> float:
        """The loss over all batches; infinite where it overflows or is not a number."""
        total = sum(float(self._loss(weights_P, *piece)) * len(piece[1]) for piece in self._pieces)
        return total / self._count if math.isfinite(total) else math.inf

    def gradients(self, weights_RP: Tensor, batch: int) -> Tensor:
        """The gradient of the loss on one batch, (R, P), at each of the weights."""
        images, labels = self.batches[batch]
        if len(weights_RP) > 1 and self.at_once > 1:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of operations that vmap takes one by one
                    together: Tensor = vmap(grad(self._loss), in_dims=(0, None, None))(weights_RP, images, labels)
            except (RuntimeError, NotImplementedError):
                self.at_once = 1  # an operation that cannot be batched
            else:
                return together
        return torch.stack([self._gradient(weights_P, images, labels) for weights_P in weights_RP])

    def _gradient(self, weights_P: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = weights_P.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self._loss(leaf, images, labels), leaf)
        return gradient

    def _loss(self, weights_P: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        pieces = torch.split(weights_P, [shape.numel() for shape in self._shapes.values()])
        named = {
            name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }
        return F.cross_entropy(functional_call(self.model, (named, self._buffers), (images,)), labels)


@torch.no_grad()
def refuse_no_logits(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Refuse a model without logits, and classes without one.

    Raises:
        InvalidInput: the model does not run on the inputs, gives something else than (N, K), or a label is not
            among its K.
    """
    one = images[:1]
    with running(model, one, f"inputs of shape {(1, *images.shape[1:])}"):
        given = model(one)
    if not isinstance(given, Tensor) or given.ndim != 2:
        shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        message = f"gives {shape} for one sample; allowed: logits (1, K)"
        raise InvalidInput([Problem(type(model).__name__, message)])
    refuse_other_classes(labels, given.shape[1])


def flat(weights: nn.Module | Mapping[str, Tensor], like: nn.Module | None = None) -> Tensor:
    """The parameters as one vector (P,); of a state dict those of the model `like`, in its order.

    Raises:
        InvalidInput: no parameters, a parameter that is missing, of another shape, or not finite.
    """
    wanted = dict((like if isinstance(like, nn.Module) else weights).named_parameters())  # type: ignore[union-attr]
    found = dict(weights.named_parameters()) if isinstance(weights, nn.Module) else weights
    problems = [] if wanted else [Problem("model", "has no parameters; its weights cannot be measured")]
    for name, parameter in wanted.items():
        if name not in found:
            problems.append(
                Problem(name, "is missing from the initial weights; take those of the same architecture")
            )
        elif found[name].shape != parameter.shape:
            shape, allowed = tuple(found[name].shape), tuple(parameter.shape)
            problems.append(Problem(name, f"has shape {shape} in the initial weights; allowed: {allowed}"))
        elif not bool(torch.isfinite(found[name]).all()):
            problems.append(Problem(name, "holds NaN or infinite weights; train again or take another checkpoint"))
    if problems:
        raise InvalidInput(problems, "weights")
    return torch.cat([found[name].detach().flatten() for name in wanted])


class Answer(Enum):
    """Where a deviation lies: below the target, within the tolerance around it, or above."""

    BELOW = "below"
    WITHIN = "within"
    ABOVE = "above"


def compare(deviation: float, target: float, tolerance: float) -> Answer:
    """The answer for a deviation in nats; one that is not a number is above."""
    if deviation < target - tolerance:
        return Answer.BELOW
    return Answer.WITHIN if deviation <= target + tolerance else Answer.ABOVE


@dataclass(frozen=True)
class Sigma:
    """The size of a perturbation at which the deviation is on target.

    Attributes:
        value: The last one asked where the answer was "within"; else the middle of the last range.
        bracketed: Whether the search met the target, or sizes on both sides of it. If not, `value` is at an end of
            the range, and says no more than that the size sought lies beyond.
        low: The largest size known to be below the target, or the end of the range.
        evaluations: Perturbed losses (with their ascent) that it took.
        moved: How far the ascent of the worst restart came from its start at `value`, as a share of the largest
            perturbation, in [0, 2]; None where nothing ascends. Near 0 it measured its random start.
    """

    value: float
    bracketed: bool
    low: float
    evaluations: int = 0
    moved: float | None = None

    @property
    def met(self) -> bool:
        """Whether the search ended because an answer was "within"."""
        return self.low == self.value


def bisect(answer: Callable[[float], Answer], span: SigmaConfig, depth: int, tolerance: float) -> Sigma:
    """Halve the range until an answer is "within", it is narrower than `tolerance`, or `depth` times."""
    low, high = span.low, span.high
    for _ in range(depth):
        middle = (low + high) / 2
        found = answer(middle)
        if found is Answer.WITHIN:
            return Sigma(middle, True, middle)
        low, high = (middle, high) if found is Answer.BELOW else (low, middle)
        if high - low < tolerance:
            break
    return Sigma((low + high) / 2, span.low < low and high < span.high, low)
