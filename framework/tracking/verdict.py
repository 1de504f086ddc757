"""Whether a run that was done again came out the same: each metric beside its tolerance, and one word for all.

    identical          every metric has the same value, to the last bit
    within tolerance   |a - b| ≤ absolute + relative · max(|a|, |b|) for every metric                          (1)
    different          some metric is further off, or only one of the two runs has it
    not comparable     the two have no metric in common, or one of the runs failed

What was measured (times, memory) is told and not compared. Knows no tracker.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MEASURED = ("time/", "memory/")
"""How metrics begin that are measured of the machine, and come out otherwise each time."""


class Verdict(StrEnum):
    """How two runs of one config compare; in the order of the exit codes, from 0."""

    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    DIFFERENT = "different"
    INCOMPARABLE = "not comparable"

    @property
    def exit_code(self) -> int:
        """0 to 3."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Tolerance:
    """How far two values may be apart, equation (1)."""

    relative: float = 1e-5
    absolute: float = 1e-8

    def of(self, before: float, now: float) -> float:
        """The distance that is allowed between two values."""
        return self.absolute + self.relative * max(abs(before), abs(now))


@dataclass(frozen=True)
class Line:
    """One metric of both runs; None where a run has no such metric."""

    name: str
    before: float | None
    now: float | None
    tolerance: float
    verdict: Verdict

    @property
    def difference(self) -> float | None:
        """now - before."""
        return None if self.before is None or self.now is None else self.now - self.before


def lines_of(before: Mapping[str, float], now: Mapping[str, float], allowed: Tolerance) -> list[Line]:
    """A line for each metric that is no measured one, in the order of the first run."""
    names = [name for name in dict.fromkeys((*before, *now)) if not is_measured(name)]
    return [_line(name, before.get(name), now.get(name), allowed) for name in names]


def is_measured(name: str) -> bool:
    """Whether a metric is measured of the machine."""
    return name.startswith(MEASURED)


def whole(lines: Sequence[Line]) -> Verdict:
    """The verdict over all metrics: the worst."""
    if not any(line.difference is not None for line in lines):
        return Verdict.INCOMPARABLE
    return max((line.verdict for line in lines), key=lambda one: one.exit_code)


def _line(name: str, before: float | None, now: float | None, allowed: Tolerance) -> Line:
    if before is None or now is None:
        return Line(name, before, now, 0.0, Verdict.DIFFERENT)
    if before == now or (math.isnan(before) and math.isnan(now)):
        return Line(name, before, now, allowed.of(before, now) if math.isfinite(now) else 0.0, Verdict.IDENTICAL)
    if not (math.isfinite(before) and math.isfinite(now)):
        return Line(name, before, now, 0.0, Verdict.DIFFERENT)
    distance = allowed.of(before, now)
    near = abs(now - before) <= distance
    return Line(name, before, now, distance, Verdict.WITHIN if near else Verdict.DIFFERENT)
