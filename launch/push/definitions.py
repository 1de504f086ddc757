"""What a run said with `define_metric`, read back from where the client keeps it in the run's config.

There every definition is a message in short: `1` is the name of a metric, `2` a pattern of names, `5` which
definition (counted from 1) is that of its x-axis, `6` the options and `7` the summaries that were asked for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

NAME, PATTERN, AXIS, OPTIONS, SUMMARIES = "1", "2", "5", "6", "7"
SYNCED, HIDDEN, DEFINED = 1, 2, 3
SUMMARY = {1: "min", 2: "max", 3: "mean", 5: "last", 6: "none", 7: "copy", 8: "first"}


def definitions(own: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments of `define_metric` for every definition; `own` is the client's own part of the config."""
    messages = own.get("m") or []
    for message in messages:
        options = message.get(OPTIONS, ())
        if PATTERN not in message and DEFINED not in options:
            continue  # the client's own, for an x-axis that nobody defined
        axis = message.get(AXIS)
        summaries = [SUMMARY[number] for number in message.get(SUMMARIES, ()) if number in SUMMARY]
        yield {
            "name": message.get(PATTERN) or message[NAME],
            "step_metric": messages[axis - 1][NAME] if axis else None,
            "step_sync": SYNCED in options,
            "hidden": HIDDEN in options,
            "summary": ",".join(summaries) or None,
        }
