"""sashiko doctor: it names the tracker that the other commands would speak to."""

from pathlib import Path

import pytest

from framework.errors import TrackerRefused
from launch.choice import configured_tracker
from launch.doctor import examine

SAVED = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What `wandb login --host` leaves: an address in the settings, and a key in the netrc file."""
    for name in ("WANDB_BASE_URL", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_CONFIG_DIR", "WANDB_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1:9 login user password stored\n")
    (tmp_path / "WANDB_CONFIG_DIR").mkdir()
    (tmp_path / "WANDB_CONFIG_DIR" / "settings").write_text(f"[default]\nbase_url = {SAVED}\n")
    return tmp_path


def tracker_line(folder: Path, *, embedded: bool = False) -> str:
    [told] = [finding.told for finding in examine(folder, embedded=embedded) if finding.what == "tracker"]
    return told


def test_the_address_of_a_login_is_examined(login: Path):
    found = configured_tracker()
    assert found is not None
    assert (found.url, found.key) == (SAVED, "stored")
    assert tracker_line(login) == f"{SAVED} cannot be reached: ConnectionError"


def test_settings_of_a_project_come_before_those_of_the_user(login: Path):
    (login / "WANDB_DIR" / "wandb").mkdir(parents=True)
    (login / "WANDB_DIR" / "wandb" / "settings").write_text("[default]\nbase_url = http://127.0.0.1:10\n")
    assert tracker_line(login).startswith("the embedded server"), "there is no key for that one"
    (login / "netrc").write_text("machine 127.0.0.1 login user password stored\n")
    assert tracker_line(login).startswith("http://127.0.0.1:10 cannot be reached")


def test_the_embedded_server_where_asked_for_or_none_is_configured(login: Path):
    assert configured_tracker(embedded=True) is None
    assert tracker_line(login, embedded=True).startswith("the embedded server of this folder")
    (login / "netrc").unlink()
    assert tracker_line(login).startswith("the embedded server of this folder")


def test_an_address_without_a_key_is_a_finding(login: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:11")
    (login / "netrc").unlink()
    with pytest.raises(TrackerRefused):
        configured_tracker()
    assert "there is no API key for it" in tracker_line(login)
