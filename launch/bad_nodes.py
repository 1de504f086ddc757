"""Nodes on which runs fail that succeed elsewhere: later submissions leave them out."""

from collections.abc import Mapping, Sequence

from framework.tracking.ledger import Attempt, Entry
from framework.tracking.states import Cause

IN_A_ROW = 3
"""Runs that must fail on a node, one after the other, before it is taken for the cause."""


def find(entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """The nodes whose last three runs failed or were lost, each of a point that was done on another node.

    With each the names of these points.
    """
    by_node: dict[str, list[tuple[float, Attempt, Entry]]] = {}
    for entry in entries:
        for attempt in entry.attempts:
            node = attempt.worker.get("host")
            if node and attempt.cause in (Cause.FINISHED, Cause.FAILED, Cause.LOST):
                by_node.setdefault(str(node), []).append((attempt.begun or 0.0, attempt, entry))
    found = {}
    for node, worked in sorted(by_node.items()):
        last = sorted(worked, key=lambda one: one[0])[-IN_A_ROW:]
        if len(last) == IN_A_ROW and all(
            attempt.cause is not Cause.FINISHED and _done_elsewhere(entry, node) for _, attempt, entry in last
        ):
            found[node] = list(dict.fromkeys(entry.name for _, _, entry in last))
    return found


def _done_elsewhere(entry: Entry, node: str) -> bool:
    return any(
        attempt.cause is Cause.FINISHED and attempt.worker.get("host") not in (None, node)
        for attempt in entry.attempts
    )
