"""Which versions of the client are tested, where that is told, and that each is the one that runs."""

import configparser
from pathlib import Path

import pytest

from launch.server import clients
from tests.protocol.conftest import Lab, shown

ROOT = Path(__file__).parents[2]
WHO = """
import google.protobuf, numpy, pydantic, wandb.util
tell([wandb.__version__, wandb.__file__, wandb.util.get_core_path(), pydantic.__file__])
"""


@pytest.mark.slow
def test_the_client_that_runs_is_whole_and_of_its_version(lab: Lab) -> None:
    version, *files = shown(lab.python(WHO))
    own = lab.client.python.parents[1]
    assert version == lab.client.version
    assert [Path(file).is_relative_to(own) for file in files] == [True, True, True]
    assert lab.wandb("--version").strip().endswith(lab.client.version)


def test_the_versions_are_named_where_people_look() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert settings["sashiko"]["tested_clients"] == ", ".join(clients.TESTED)
    readme = (ROOT / "README.md").read_text()
    for version in clients.TESTED:
        assert f"wandb {version}" in readme


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ("0.22.3", "one of"),
        ("0.31.0", "one of"),
        ("0.19.11", "older"),
        ("0.40.0.dev1", "newer"),
        ("0.25.1", "between"),
    ],
)
def test_a_version_is_judged(version: str, word: str) -> None:
    assert word in clients.verdict(version)
