"""What is refused before anything is restored, and what is archived when a word may mean two things."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from framework.errors import ConfigError, TrackerError
from framework.tracking.tracker import Tracker
from launch.archive import restoring, target
from launch.archive.errors import ArchiveError, Damaged
from launch.archive.making import safe
from launch.archive.restoring import Wish, restore
from launch.archive.target import Chosen, chosen
from tests.launch.archive.test_crate import archive

QUIET = Console(quiet=True)


class Nobody(Tracker):
    """A tracker that must not be asked."""

    def check(self) -> str:
        raise AssertionError("it was asked")


def test_nothing_is_asked_of_a_tracker_for_a_damaged_archive(tmp_path: Path):
    path = archive(tmp_path / "p.tar.zst")
    data = bytearray(path.read_bytes())
    data[40] ^= 4
    path.write_bytes(data)
    with pytest.raises(Damaged, match=r"README\.txt"):
        restore(Nobody("http://127.0.0.1:1", "k"), path, Wish(), QUIET)


def test_another_server_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = archive(tmp_path / "p.tar.zst")
    monkeypatch.setattr(restoring, "offered", lambda tracker: False)
    with pytest.raises(
        ArchiveError, match=r"takes no archives: restore it into an embedded server .* sashiko push"
    ):
        restore(Nobody("https://wandb.example", "k"), path, Wish(), QUIET)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish(name="a/b/c"), r"--as: is 'a/b/c'; write \[ENTITY/\]PROJECT"),
        (Wish("e/p", only=["r3"]), "--only: the archive has no run 'r3'; .*r1"),
        (Wish("e/p", sweep="s1"), "--sweep: the archive has no sweep 's1'; .*s0"),
    ],
)
def test_a_part_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: Wish, told: str):
    monkeypatch.setattr(restoring, "offered", lambda tracker: True)
    with pytest.raises(ConfigError, match=told):
        restore(Nobody("http://127.0.0.1:1", "k"), archive(tmp_path / "p.tar.zst"), wish, QUIET)


class Known(Tracker):
    """The tracker of `me`, with the projects and sweeps that the test says."""

    def check(self) -> str:
        return "me"


PROJECTS = {"me/one", "lab/two", "me/both"}
SWEEPS = {"me/sashiko/s1", "me/one/s2", "me/sashiko/both"}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    def listed(tracker: Any, entity: str, project: str, *rest: Any, **more: Any) -> Any:
        return iter(()) if f"{entity}/{project}" in PROJECTS else None

    monkeypatch.setattr(target.remote_runs, "listed", listed)
    monkeypatch.setattr(target.sweeps, "find_any", lambda tracker, path: path if str(path) in SWEEPS else None)
    return Known("http://here", "k")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("one", Chosen("me", "one")),
        ("lab/two", Chosen("lab", "two")),
        ("s1", Chosen("me", "sashiko", "s1")),
        ("one/s2", Chosen("me", "one", "s2")),
        ("me/one/s2", Chosen("me", "one", "s2")),
    ],
)
def test_a_word_is_a_project_or_a_sweep(known: Known, word: str, found: Chosen):
    assert chosen(known, word) == found


def test_a_word_that_is_both_or_neither(known: Known):
    with pytest.raises(
        ConfigError, match="is the project me/both and the sweep me/sashiko/both: for the sweep write"
    ):
        chosen(known, "both")
    with pytest.raises(TrackerError, match="has no project me/none and no sweep me/sashiko/none"):
        chosen(known, "none")
    with pytest.raises(ConfigError, match="is 'a/b/c/d'; write"):
        chosen(known, "a/b/c/d")


@pytest.mark.parametrize(("name", "path"), [("a b-1_é", "a b-1_%C3%A9"), ("..", "%2E%2E"), ("a/b", "a%2Fb")])
def test_names_in_paths(name: str, path: str):
    assert safe(name) == path
