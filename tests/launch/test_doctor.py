"""sashiko doctor: it names the tracker that the other commands would speak to."""

import json
from pathlib import Path

import pytest
import torch

from framework.errors import TrackerRefused
from launch.choice import configured_tracker
from launch.doctor import _gpus, examine
from launch.finding import Finding
from tests.lab import Lab
from tests.launch.test_slurm import fake

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


def finding(torch_gpus: bool, known: list[str], visible: str | None, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_gpus)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(known))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "H100")
    return _gpus(known, visible)


def test_gpus_that_torch_cannot_use_are_told_with_their_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert finding(False, [], None, monkeypatch).good, "a machine without a GPU is well"
    assert finding(False, [], "", monkeypatch).good, "and so is one whose none are hidden"
    assert finding(True, ["0", "1"], None, monkeypatch).told == "2: H100"
    fake(monkeypatch, tmp_path, "nvidia-smi", "echo 0")
    unseen = finding(False, ["0"], None, monkeypatch)
    assert (unseen.good, "the driver knows of 1, but torch" in unseen.told) == (False, True)
    assert "install a build of torch" in unseen.mend
    hidden = finding(False, [], "", monkeypatch)
    assert (hidden.good, hidden.told) == (False, "hidden: CUDA_VISIBLE_DEVICES is ''")
    assert "unset CUDA_VISIBLE_DEVICES" in hidden.mend


def test_whatever_is_wrong_says_what_to_do(login: Path):
    wrong = [item for item in examine(login) if not item.good]
    assert "tracker" in {item.what for item in wrong}
    assert all(item.mend for item in wrong)


@pytest.mark.slow
def test_the_report_of_a_tracker_that_answers_as_json(lab: Lab):
    lab.sashiko("status", "--embedded")  # now there is a server
    done = lab.sashiko("doctor", "--embedded", "--json", SLURM_CONF="/nowhere")
    found = json.loads(done.stdout)
    assert set(found) == {"well", "findings"}
    assert all(set(item) == {"what", "told", "good", "mend"} for item in found["findings"])
    told = {item["what"]: item for item in found["findings"]}
    assert told["key"]["told"] == "is that of local"
    assert told["clock"]["told"] == "as the tracker's, to 2 s"
    assert done.returncode == (0 if found["well"] else 1)
    refused = lab.sashiko("doctor", "--embedded", "--slurm", "nosuch", "--json")
    assert refused.returncode == 2
    error = json.loads(refused.stdout)["error"]
    assert (error["kind"], error["exit_code"], error["problems"][0]["key"]) == ("ConfigError", 2, "--slurm")
    assert "neither a file nor a profile" in refused.stderr
