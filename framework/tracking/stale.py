"""Artifacts that other code made, or that were made of other inputs: they are told, and a policy is followed."""

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.tracking.fingerprint import differences

VARIABLE = "SASHIKO_STALE"
CODE, INPUTS = "code", "inputs"
"""Metadata of artifacts: the code that made them, and the digest of each artifact that they were made of."""


class Policy(StrEnum):
    """What becomes of a required artifact that is stale."""

    USE = "use"
    """It is used; the run's config says so."""
    REMAKE = "remake"
    """It is made anew, as a further version."""
    REFUSE = "refuse"
    """What requires it fails."""


def policy() -> Policy:
    """The policy of this process: `SASHIKO_STALE`, by default to use what is there.

    Raises:
        ConfigError: it is no policy.
    """
    text = os.environ.get(VARIABLE) or Policy.USE
    known = [str(one) for one in Policy]
    if text not in known:
        raise ConfigError([Problem("stale", f"is {text!r}; {nearest(text, known)}")])
    return Policy(text)


def reasons(metadata: Mapping[str, Any], digest_now: Callable[[str], str | None]) -> list[str]:
    """Why an artifact with this metadata is stale, in words; nothing if it is not.

    `digest_now` gives the digest of the newest artifact of a name.
    """
    code = metadata.get(CODE)
    found = differences(code) if isinstance(code, Mapping) else ["its code was not recorded"]
    others = metadata.get(INPUTS) or {}
    return found + [f"it was made of another {name}" for name, was in others.items() if digest_now(name) != was]
