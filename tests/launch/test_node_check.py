"""What the doctor makes of a node's answer. That there is one at all: tests/slurm/test_seeing.py."""

from pathlib import Path

import pytest

from launch import clocks, node_check, node_report
from launch.finding import Finding, clock

URL = "http://h:1"


def answer(**more) -> dict:
    told = {
        "host": "vm", "node": "n1", "nonce": "abc", "versions": node_report.versions(),
        "gpus": {"visible": None, "torch": 0}, "entity": "me", "error": None, "ahead_s": 0.4,
    }  # fmt: skip
    return {**told, **more}


def compared(told: dict, gpus: int = 0) -> dict[str, Finding]:
    return {found.what: found for found in node_check.compared(told, "abc", URL, gpus)}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "ahead_of", lambda url: 0.1)


def test_a_node_that_sees_the_same_is_well():
    found = compared(answer())
    assert all(item.good and not item.mend for item in found.values())
    assert found["its tracker"].told == "http://h:1 answers, as me"


@pytest.mark.parametrize(
    ("told", "gpus", "what", "words"),
    [
        ({"nonce": None}, 0, "its folder", "another one bears the same name"),
        ({"entity": None, "error": "nothing answers"}, 0, "its tracker", "nothing answers"),
        ({"ahead_s": 300.0}, 0, "its clock", "300 s ahead of this machine's"),
        ({"ahead_s": -300.0}, 0, "its clock", "300 s behind this machine's"),
        ({"gpus": {"visible": "", "torch": 0}}, 1, "its GPUs", "0 that torch can use (CUDA_VISIBLE_DEVICES=)"),
        ({"gpus": {"visible": None, "torch": None}}, 1, "its GPUs", "torch is missing"),
        ({"versions": {**node_report.versions(), "torch": "0.1"}}, 0, "its versions", "differ: torch 0.1 ("),
        ({"versions": {**node_report.versions(), "wandb": None}}, 0, "its versions", "differ: wandb missing ("),
    ],
)
def test_what_differs_is_told_with_its_mend(told, gpus, what, words):
    found = compared(answer(**told), gpus)
    assert [name for name, item in found.items() if not item.good] == [what]
    assert words in found[what].told
    assert found[what].mend


def test_small_differences_of_clocks_are_told_and_are_no_fault():
    assert clock("c", 0.9, "its", "mend").told == "as its, to 2 s"
    found = clock("c", -12.0, "its", "mend")
    assert (found.good, found.told, found.mend) == (True, "12 s behind its", "")
    assert "no time is told" in clock("c", None, "its", "mend").told


def test_a_node_tells_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(node_report, "PATIENCE_S", 0.1)
    (tmp_path / node_report.NONCE).write_text("abc")
    told = node_report.report(tmp_path)
    assert (told["nonce"], told["entity"], told["ahead_s"]) == ("abc", None, None)
    assert "does not answer" in told["error"]
    assert told["versions"] == node_report.versions()
    assert node_report.report(tmp_path / "nowhere")["nonce"] is None
