"""Bounds of a parameter whose distribution has none: `min` and `max` of a `normal`, say.

W&B draws as if they were not there, and tells; a person who wrote them most likely meant something else.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from framework.errors import Problem
from framework.search.distributions import BOUNDS, FAMILIES
from framework.search.space import distribution_of


def unused(parameters: Mapping[str, Any], prefix: str = "parameters") -> Iterator[Problem]:
    """Every such bound in a tree of parameters."""
    for name, spec in parameters.items():
        if not isinstance(spec, dict):
            continue
        if isinstance(spec.get("parameters"), dict):
            yield from unused(spec["parameters"], f"{prefix}.{name}")
            continue
        distribution = str(distribution_of(spec))
        if distribution not in FAMILIES:
            continue
        takes = FAMILIES[distribution].keys
        message = f"plays no part: {distribution} takes {', '.join(takes)}; for bounds, draw from `uniform`"
        for key in sorted(spec.keys() & (BOUNDS - takes.keys())):
            yield Problem(f"{prefix}.{name}.{key}", message)
