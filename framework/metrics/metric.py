"""What a number means. Every metric of the project has one `Metric` beside the function that computes it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """The name of a number, its unit, whether less or more of it is better, and how it was reduced."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    reduction: str
