"""The metric of a sweep: where its value stands in what a run logs, and which of two values is better.

Values are handed on as losses, lower is better, so that nothing else asks for the goal. This module does not know
which runs there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launch.server.wire import at

LARGEST = 1e308
KEPT = ("best", "max", "min", "first", "last")
"""What `define_metric(summary=…)` has a summary keep of a metric that was logged. (A mean was not.)"""


@dataclass(frozen=True)
class Metric:
    """What a sweep looks at: a key of what its runs log, which way is better, and a value that is enough."""

    name: str
    maximize: bool = False
    target: float | None = None

    def loss(self, row: Mapping[str, Any]) -> float | None:
        """The value in a row of history, turned so that lower is better; None if it is no finite number."""
        value = finite(at(row, self.name))
        return -value if value is not None and self.maximize else value

    def kept(self, summary: Mapping[str, Any]) -> float | None:
        """The best that a summary tells: its last value, or the best of what it keeps; as `loss`."""
        found = at(summary, self.name)
        value = extremum(found, largest=self.maximize) if isinstance(found, Mapping) else finite(found)
        return -value if value is not None and self.maximize else value

    def is_reached(self, loss: float | None) -> bool:
        """Whether a run with this loss has come to the target."""
        if loss is None or self.target is None:
            return False
        return loss <= (-self.target if self.maximize else self.target)


def extremum(kept: Mapping[str, Any], *, largest: bool) -> float | None:
    """The largest or the smallest finite number of those that a summary keeps of one metric."""
    found = [value for key in KEPT if (value := finite(kept.get(key))) is not None]
    return (max if largest else min)(found, default=None)


def finite(value: Any) -> float | None:
    """`value` as a number; None if it is missing, no number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)
