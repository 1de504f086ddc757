"""The metric of a sweep: where its value stands in what a run logs, and which of two values is better.

Values are handed on as losses, lower is better, so that nothing else asks for the goal. This module does not know
which runs there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launch.server.wire import at

LARGEST = 1e308


@dataclass(frozen=True)
class Metric:
    """What a sweep looks at: a key of its runs' summaries, which way is better, and a value that is enough."""

    name: str
    maximize: bool = False
    target: float | None = None

    def loss(self, logged: Mapping[str, Any]) -> float | None:
        """The value in a summary or a row of history, turned so that lower is better; None if it is no number."""
        value = number_at(logged, self.name)
        return -value if value is not None and self.maximize else value

    def is_reached(self, logged: Mapping[str, Any]) -> bool:
        """Whether a run has come to the target."""
        loss = self.loss(logged)
        if loss is None or self.target is None:
            return False
        return loss <= (-self.target if self.maximize else self.target)


def number_at(data: Mapping[str, Any], name: str) -> float | None:
    """The finite number that `data` holds under `name`; a dotted name may also lead into nested mappings.

    None if it is missing, no number, NaN or infinite.
    """
    value = at(data, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)
