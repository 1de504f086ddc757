"""Which modules something stands on is read off their sources, and a change in any of them is another digest."""

import importlib
import sys
from pathlib import Path

import pytest

from framework import sources

FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
FILES = {
    "__init__.py": "",
    "top.py": "import other\nfrom sample.inner import helper\nfrom sample import beside\nimport os\n",
    "beside.py": f"{FOR_TYPES}    import sample.types_only\nelse:\n    x = 1\n",
    "types_only.py": "",
    "alone.py": "",
    "inner/__init__.py": f"{FOR_TYPES}    from sample.inner.lazy import thing\n",
    "inner/helper.py": "def draw():\n    from . import deep\n    from ..circle import one\n",
    "inner/deep.py": "import sample.circle",
    "inner/lazy.py": "thing = 1",
    "circle.py": "from sample.inner import deep",
}


@pytest.fixture
def sample(tmp_path, monkeypatch):
    folder = tmp_path / "sample"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sources, "ROOTS", ("sample",))
    importlib.invalidate_caches()
    yield folder
    forget()
    sys.modules.pop("sample", None)


def forget():
    for cached in (sources.modules_behind, sources.source_of, sources._imported, sources.module_digest):
        cached.cache_clear()


def test_imports_are_followed_through_functions_packages_and_circles(sample: Path):
    assert sources.modules_behind("sample.top") == {
        "sample", "sample.inner", "sample.inner.helper", "sample.inner.deep", "sample.inner.lazy",
        "sample.circle", "sample.beside",
    }  # fmt: skip
    assert sources.modules_behind("sample.alone") == frozenset()
    assert "sample.top" not in sys.modules, "nothing is imported for it"


@pytest.mark.parametrize(
    "name", ["top.py", "beside.py", "inner/helper.py", "inner/deep.py", "inner/lazy.py", "circle.py"]
)
def test_a_change_of_what_it_stands_on_is_another_digest(sample: Path, name: str):
    before = sources.code_digest(frozenset({"sample.top"}))
    (sample / name).write_text(FILES[name] + "\ny = 2\n")
    forget()
    assert sources.code_digest(frozenset({"sample.top"})) != before
    (sample / name).write_text(FILES[name])
    forget()
    assert sources.code_digest(frozenset({"sample.top"})) == before


@pytest.mark.parametrize("name", ["types_only.py", "alone.py"])
def test_a_change_of_something_else_is_not(sample: Path, name: str):
    before = sources.code_digest(frozenset({"sample.top"}))
    (sample / name).write_text("y = 2\n")
    forget()
    assert sources.code_digest(frozenset({"sample.top"})) == before


def test_the_figures_of_an_experiment_stand_on_their_looks_and_not_on_the_study():
    behind = sources.modules_behind("experiments.stitching.figures.lines")
    assert {"experiments.stitching.figures.looks", "framework.report.style", "framework.report.panels"} <= behind
    assert not any(name.startswith(("framework.tracking", "framework.training")) for name in behind)
    assert sources.source_of("no_such_package.module") is None
    assert sources.source_of("framework.report.nothing") is None
