"""Which changes of the code count, and in which words they are told."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework import sources
from framework.tracking import fingerprint

SOURCE = '''
"""A module."""

RATE = 0.1
"""What it is."""


def loss(x):
    """Double."""
    return 2 * x
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source of a module that this process has not imported."""
    (tmp_path / "experiments_of_a_test").mkdir()
    (tmp_path / "experiments_of_a_test" / "__init__.py").write_text("")
    file = tmp_path / "experiments_of_a_test" / "study.py"
    file.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fingerprint, "ROOTS", ("experiments_of_a_test",))
    yield file
    sources.module_digest.cache_clear()
    sources.source_of.cache_clear()
    for name in [name for name in sys.modules if name.startswith("experiments_of_a_test")]:
        del sys.modules[name]


def digest() -> str | None:
    sources.module_digest.cache_clear()
    return sources.module_digest("experiments_of_a_test.study")


@pytest.mark.parametrize(
    "text",
    [
        SOURCE.replace("Double.", "Twice its argument."),
        SOURCE.replace("A module.", "Another text."),
        SOURCE.replace("What it is.", "Of learning."),
        SOURCE.replace("2 * x", "2 * x  # doubled"),
        SOURCE.replace("\n\n\ndef", "\n# a line\n\ndef"),
        SOURCE.replace('    """Double."""\n', ""),
        SOURCE.replace("return 2 * x", "return (2 *\n        x)"),
    ],
)
def test_words_about_the_code_are_no_change(module: Path, text: str):
    before = digest()
    module.write_text(text)
    assert text != SOURCE
    assert digest() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * x", "x * 2"), ("0.1", "0.2"), ("RATE", "PACE"), ("return", "yield"), ("loss(x)", "loss(x, y=1)")],
)
def test_code_is_a_change(module: Path, old: str, new: str):
    before = digest()
    module.write_text(SOURCE.replace(old, new))
    assert digest() not in (before, None)


def test_what_was_imported_is_recorded_and_what_changed_is_told(module: Path):
    import experiments_of_a_test.study  # type: ignore[import-not-found]  # noqa: F401

    code = fingerprint.of_process()
    assert list(code["modules"]) == ["experiments_of_a_test", "experiments_of_a_test.study"]
    assert code["packages"]["torch"]
    assert fingerprint.differences(code) == []
    module.write_text(SOURCE.replace("2", "3"))
    sources.module_digest.cache_clear()
    assert fingerprint.differences(code) == ["experiments_of_a_test.study changed"]
    module.unlink()
    sources.module_digest.cache_clear()
    assert fingerprint.differences(code) == ["experiments_of_a_test.study is gone"]


def test_versions_that_differ_are_told_from_which_to_which():
    code = fingerprint.of_process()
    torch = code["packages"]["torch"]
    older = code | {"packages": code["packages"] | {"torch": "2.0.0"}}
    assert f"torch 2.0.0 → {torch}" in fingerprint.differences(older)
    without = {name: version for name, version in code["packages"].items() if name != "torchvision"}
    assert any(
        word.startswith("torchvision absent → ") for word in fingerprint.differences(code | {"packages": without})
    )
    # Digests of another grammar cannot be compared: one difference is enough.
    assert fingerprint.differences(code | {"python": "3.9", "modules": {"x": "y"}})[0].startswith("python 3.9 → ")
    assert len(fingerprint.differences(code | {"python": "3.9", "modules": {"x": "y"}})) == 1


def test_many_changed_modules_are_counted():
    code = fingerprint.of_process() | {"modules": {f"framework.absent{n}": "0" for n in range(9)}}
    told = fingerprint.differences(code)
    assert told[:3] == [f"framework.absent{n} is gone" for n in range(3)]
    assert told[3:] == ["6 more modules"]


def test_what_carries_results_is_left_out_and_what_computes_them_is_not():
    import framework.mappings.ridge
    import framework.tracking.run  # noqa: F401

    modules = fingerprint.of_process()["modules"]
    assert "framework.mappings.ridge" in modules
    assert not [name for name in modules if name.startswith(("framework.tracking", "framework.report"))]


def test_the_fingerprint_is_one_word_for_all_of_it():
    code = fingerprint.of_process()
    assert fingerprint.fingerprint(code) == fingerprint.fingerprint(dict(reversed(code.items())))
    assert fingerprint.fingerprint(code) != fingerprint.fingerprint(code | {"python": "3.9"})
