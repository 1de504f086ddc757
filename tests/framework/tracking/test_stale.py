"""Why an artifact is stale, and what is done about it."""

import pytest

from framework.errors import ConfigError
from framework.tracking import fingerprint, stale
from framework.tracking.stale import Policy


def test_the_policy_is_to_use_what_is_there_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(stale.VARIABLE, raising=False)
    assert stale.policy() is Policy.USE
    monkeypatch.setenv(stale.VARIABLE, "remake")
    assert stale.policy() is Policy.REMAKE
    monkeypatch.setenv(stale.VARIABLE, "remkae")
    with pytest.raises(ConfigError, match=r"is 'remkae'.*remake"):
        stale.policy()


def test_reasons_are_other_code_other_inputs_and_no_record():
    fresh = {"code": fingerprint.of_process(), "inputs": {"model-1": "a", "model-2": "b"}}
    now = {"model-1": "a", "model-2": "b"}
    assert stale.reasons(fresh, now.get) == []
    assert stale.reasons(fresh, (now | {"model-2": "c"}).get) == ["it was made of another model-2"]
    assert stale.reasons(fresh, {"model-1": "a"}.get) == ["it was made of another model-2"]
    other = fresh | {"code": fresh["code"] | {"python": "3.9"}}
    assert stale.reasons(other, now.get)[0].startswith("python 3.9")
    assert stale.reasons({}, now.get) == ["its code was not recorded"]
