"""Whether a network has collapsed: the standard deviation of its normalised outputs against the line 1/√d.

    std = mean over d of the standard deviation, over the images, of z / ‖z‖₂                  [1, section 4.1] (1)

Outputs that point anywhere with equal chance have 1/√d; those of a network that gives every image the same have 0.
The verdict is "collapsed" where std is below `THRESHOLD` of the line, a tenth: a network whose outputs keep to few
directions, or to one side of the origin as they do after a ReLU, lies between.

[1] Chen and He, "Exploring simple Siamese representation learning", 2021.

Shapes: V views, B images (N rows), d features.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.ssl.diagnostics.inputs import Numbers, cube_of, rows_of
from framework.values import is_number

THRESHOLD = 0.1
Verdict = Literal["healthy", "collapsed", "not finite"]


@dataclass(frozen=True)
class Collapse:
    """Equation (1), the line that it is held against, and the verdict; `told` says it in words."""

    std: float
    line: float
    threshold: float
    verdict: Verdict
    told: str

    @property
    def ratio(self) -> float:
        """The standard deviation over the line: about 1 is healthy, 0 has collapsed; NaN where not finite."""
        return self.std / self.line


def collapse(outputs: Numbers, *, threshold: float = THRESHOLD) -> Collapse:
    """The verdict on outputs (N, d), or (V, B, d), of which each view is looked at by itself.

    NaN and infinite values are no error here, but a verdict.

    Raises:
        InvalidInput: no real numbers, or another shape; a single image; a threshold that is not from 0 to 1.
    """
    if not (is_number(threshold) and 0 <= threshold <= 1):
        raise InvalidInput([Problem("threshold", f"is {threshold!r}; allowed: 0 to 1")], "collapse")
    raw = torch.as_tensor(outputs)
    line = line_of(int(raw.shape[-1])) if raw.ndim and raw.shape[-1] else float("nan")
    if raw.is_floating_point() and (bad := int((~torch.isfinite(raw)).sum())):
        told = f"{bad} of {raw.numel()} outputs are NaN or infinite: the network has diverged"
        return Collapse(float("nan"), line, threshold, "not finite", told)
    cube = cube_of(raw, "collapse", images=2) if raw.ndim == 3 else rows_of(raw, "collapse", fewest=2)[None]
    std = _std(cube)
    collapsed = std < threshold * line
    told = f"std of normalised outputs {std:.4f}, {std / line:.2f} of 1/√d = {line:.4f}"
    verdict: Verdict = "collapsed" if collapsed else "healthy"
    return Collapse(std, line, threshold, verdict, f"{verdict}: {told} (collapsed: below {threshold:g} of it)")


def line_of(features: int) -> float:
    """1/√d, the standard deviation of an entry of random vectors of length 1 in d dimensions."""
    return float(features**-0.5)


def _std(cube_VBF: Tensor) -> float:
    return float(F.normalize(cube_VBF, dim=2).std(dim=1).mean())
