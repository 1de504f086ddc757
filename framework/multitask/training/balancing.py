"""How much each task counts in a step of a shared network, through TorchJD.

Two kinds of methods. Those of the losses make one number of them (`UW`, `FAMO`), whose gradient is the step. Those
of the gradients look at the Gramian G = J Jᵀ (T, T) of the tasks' gradients J (T, P) and give weights w: the step
is along wᵀJ (`PCGrad`, `CAGrad`, `UPGrad`, `NashMTL`). J is never put together. The plain sum needs neither.

All are on the scale of the plain sum, so that one learning rate serves all: TorchJD's means are multiplied by T,
Kendall's losses by 2. The bargain G w = 1 / w is over G divided by the mean squared length of a gradient, and not
clipped: in the paper its step has the length √T, however long gradients are.

Sources: see `framework.multitask.training.config`; TorchJD: Quinton and Rey, "Jacobian descent for multi-objective
optimization", 2024.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from framework.multitask.training.config import Balancing
from framework.multitask.training.solvers import check_solver

TINY = 1e-9
"""Below this part of the mean squared length of a gradient, rules see nothing."""
VANISHED = 1e-12
"""A gradient whose squared length is so small a part of the mean is none: its task is learnt."""


class OfLosses:
    """One number of the tasks' losses (T,)."""

    def __init__(self, scalariser: Any, scale: float, learns: float | None) -> None:
        """`learns`: the step size of the scalariser's own parameters, where the losses' gradient moves them."""
        self._scalariser, self._scale = scalariser, scale
        self._optimizer = None if learns is None else torch.optim.Adam(scalariser.parameters(), lr=learns)

    def __call__(self, losses_T: Tensor) -> Tensor:
        """The loss to go down on."""
        found: Tensor = self._scale * self._scalariser(losses_T)
        return found

    def step(self) -> None:
        """After the backward pass: move what is learnt here."""
        if self._optimizer is not None:
            self._optimizer.step()
            self._optimizer.zero_grad()

    @property
    def needs_losses_after(self) -> bool:
        """Whether it has to be told the losses of the same batch after the step."""
        return hasattr(self._scalariser, "update")

    def update(self, losses_T: Tensor) -> None:
        """The losses of the same batch after the step."""
        self._scalariser.update(losses_T)

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on."""
        own = self._optimizer or getattr(self._scalariser, "_optimizer", None)
        return {
            "weights": copy.deepcopy(self._scalariser.state_dict()),
            "steps": None if own is None else copy.deepcopy(own.state_dict()),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._scalariser.load_state_dict(state["weights"])
        if state["steps"] is None:
            return
        if self._optimizer is None:  # FAMO makes its own at its first step
            parameters = list(self._scalariser.parameters())
            self._scalariser._optimizer = torch.optim.Adam(parameters)
            self._scalariser._optimizer.load_state_dict(state["steps"])
        else:
            self._optimizer.load_state_dict(state["steps"])


class OfGradients:
    """Weights of the tasks' gradients from their Gramian (T, T)."""

    def __init__(self, weighting: Any, scale: float, *, of_root: bool = False) -> None:
        """`of_root`: the weighting takes a matrix M with M Mᵀ = G."""
        self._weighting, self._scale, self._of_root = weighting, scale, of_root

    def __call__(self, gramian_TT: Tensor) -> Tensor:
        """The weights w (T,): those of the plain sum where a gradient has no length, or none that is a number."""
        even_T = torch.ones(len(gramian_TT))
        lengths_T = gramian_TT.double().diagonal()
        scale = lengths_T.mean()
        if not bool(torch.isfinite(gramian_TT).all()) or not bool((lengths_T > VANISHED * scale).all()):
            return even_T
        scaled_TT = (
            gramian_TT.double() / scale
        )  # thresholds of the libraries are absolute, and gradients of any length
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not DPP.*")
            found = self._scale * self._weighting(_root(scaled_TT) if self._of_root else scaled_TT)
        # CAGrad has no weights where some mix of the gradients vanishes, as where one task is learnt.
        return found.to(even_T) if bool(found.any()) else even_T

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on: of the bargain, the last solution."""
        if not self._of_root:
            return {}
        return {"step": float(self._weighting.step), "alpha": [float(one) for one in self._weighting.prvs_alpha]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        if self._of_root and state.get("step"):
            import numpy as np

            self._weighting.prvs_alpha = np.array(state["alpha"], dtype=np.float32)
            self._weighting._init_optim_problem()
            self._weighting.step = state["step"]


def weighing_of(config: Balancing, tasks: int) -> OfLosses | OfGradients:
    """The rule of a config for so many tasks.

    Raises:
        ConfigError: its solver is not installed; the message says how to install it.
    """
    check_solver(config)
    return _weighing(config, tasks)


def _weighing(config: Balancing, tasks: int) -> OfLosses | OfGradients:
    from torchjd import aggregation, linalg, scalarization

    rules: dict[str, Callable[[Any], OfLosses | OfGradients]] = {
        "uncertainty": lambda own: OfLosses(scalarization.UW(tasks), 2.0, own.rate),
        "famo": lambda own: OfLosses(
            scalarization.FAMO(tasks, lr=own.rate, weight_decay=own.decay), float(tasks), None
        ),
        "pcgrad": lambda _: OfGradients(aggregation.PCGradWeighting(), 1.0),
        "cagrad": lambda own: OfGradients(aggregation.CAGradWeighting(c=own.c, norm_eps=TINY), float(tasks)),
        "upgrad": lambda _: OfGradients(
            aggregation.UPGradWeighting(projector=linalg.QuadprogProjector(norm_eps=TINY, reg_eps=TINY)),
            float(tasks),
        ),
        "nash_mtl": lambda own: OfGradients(
            aggregation.NashMTL(tasks, max_norm=0.0, update_weights_every=own.every).weighting,
            1.0,
            of_root=True,
        ),
    }
    return rules[config.kind](config)


def _root(gramian_TT: Tensor) -> Tensor:
    """M with M Mᵀ = G, for a G that is singular, too."""
    values, vectors = torch.linalg.eigh(gramian_TT.double())
    root: Tensor = vectors * values.clamp(min=0).sqrt()
    return root.to(torch.float32)
