"""Managers: what they say when they are asked for what they do not do."""

import pytest

from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager


class Study(Config):
    x: int = 0


def test_a_manager_that_makes_nothing_says_so():
    with pytest.raises(ArtifactError, match="cannot make a 'model'"):
        Manager[Study]().make("model", Study(), None)  # type: ignore[arg-type]


def test_a_manager_requires_nothing_by_default():
    assert list(Manager[Study]().requires("run", Study())) == []
