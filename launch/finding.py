"""One line of what the doctor tells. How it is found out stands in `doctor` and `node_check`."""

from dataclasses import dataclass

CLOSE_S, WRONG_S = 2.0, 30.0
"""Seconds between clocks that are as good as none, and from which on something is wrong."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend`: what to do, where something is wrong or could be better."""

    what: str
    told: str
    good: bool = True
    mend: str = ""


def bad(what: str, told: str, mend: str) -> Finding:
    """Something that is wrong, and what to do."""
    return Finding(what, told, good=False, mend=mend)


def clock(what: str, ahead_s: float | None, whose: str, mend: str) -> Finding:
    """How far a clock is ahead of another one, whose it is; None where that is not known."""
    if ahead_s is None:
        return Finding(what, f"cannot be compared with {whose}: no time is told")
    if abs(ahead_s) <= CLOSE_S:
        return Finding(what, f"as {whose}, to {CLOSE_S:g} s")
    told = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} {whose}"
    return Finding(what, told) if abs(ahead_s) < WRONG_S else bad(what, told, mend)
