"""`sashiko new` in a copy of the tree: what it writes works, and it writes over nothing."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import InvalidInput
from launch.new import renamed, texts_of, with_entry, write
from tests.lab import Lab

ROOT = Path(__file__).parents[2]
INIT = 'EXPERIMENTS = {\n    "one": "experiments.one.manager:OneManager",  # the first\n}\n\nOTHER = {}\n'


@pytest.fixture
def project(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text(INIT)
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_and_one_line_are_written(project):
    written = write("my_tables", project)
    assert sorted(str(path.relative_to(project)) for path in written) == [
        "experiments/__init__.py",
        *(f"experiments/my_tables/{name}" for name in ("README.md", "__init__.py")),
        *(f"experiments/my_tables/{name}.py" for name in ("config", "grids", "manager")),
        "sweeps/my_tables.yaml",
        *(f"tests/experiments/my_tables/{name}.py" for name in ("__init__", "test_manager")),
    ]
    line = '    "my_tables": "experiments.my_tables.manager:MyTablesManager",\n'
    assert (project / "experiments" / "__init__.py").read_text() == INIT.replace("}\n\n", line + "}\n\n")
    assert not list((project / "experiments").glob(".*"))


def test_nothing_of_the_shape_stays_in_its_code():
    for path, text in texts_of("my_tables").items():
        assert "experiments.tabular" not in text, path
        assert not re.search(r"\bTabular[A-Z]", text), path
        assert "NAME" not in text or path.suffix != ".md", path
        if path.suffix == ".py":
            ast.parse(text)
    assert renamed('import experiments.tabular.x, framework.tabular  # "tabular"', "a") == (
        'import experiments.a.x, framework.tabular  # "a"'
    )


def test_the_shape_is_what_it_would_write_of_itself():
    for path, text in texts_of("tabular").items():
        if path.parts[0] == "experiments" and path.suffix == ".py":
            assert (ROOT / path).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My", "lower-case"),
        ("1st", "lower-case"),
        ("a-b", "lower-case"),
        ("../up", "lower-case"),
        ("__main__", "lower-case"),
        ("a" * 33, "at most 32"),
        ("class", "Python's own"),
        ("match", "Python's own"),
        ("json", "a module of that name"),
        ("torch", "a module of that name"),
        ("framework", "a module of that name"),
        ("one", "has already"),
    ],
)
def test_names_that_cannot_be_are_refused_and_nothing_is_written(project, name, told):
    before = files(project)
    with pytest.raises(InvalidInput, match=told):
        write(name, project)
    assert files(project) == before


@pytest.mark.parametrize(
    "place",
    ["experiments/mine/notes.txt", "experiments/mine.py", "sweeps/mine.yaml", "tests/experiments/mine/test_a.py"],
)
def test_what_is_there_is_not_written_over(project, place):
    (project / place).parent.mkdir(parents=True, exist_ok=True)
    (project / place).write_text("mine")
    before = files(project)
    with pytest.raises(InvalidInput, match="and there is"):
        write("mine", project)
    assert files(project) == before


@pytest.mark.parametrize(
    "text",
    [
        'EXPERIMENTS = {"one": "a"}\n',
        "EXPERIMENTS = dict()\n",
        'EXPERIMENTS = {\n    "one": "a"\n}\n',
        "x = (\n",
        "",
    ],
)
def test_a_table_that_cannot_be_added_to_is_told_and_nothing_is_written(project, text):
    (project / "experiments" / "__init__.py").write_text(text)
    before = files(project)
    with pytest.raises(InvalidInput, match=r'write into it: "mine": "experiments\.mine\.manager:MineManager",'):
        write("mine", project)
    assert files(project) == before


@pytest.mark.parametrize("head", ["EXPERIMENTS = {", "EXPERIMENTS: dict[str, str] = {"])
def test_the_line_goes_to_the_end_of_the_table(head):
    found = with_entry(f'# {{ }}\n{head}\n    "a": "b",\n}}  \nx = {{\n}}\n', "mine", "here")
    assert found == (
        f'# {{ }}\n{head}\n    "a": "b",\n    "mine": "experiments.mine.manager:MineManager",\n}}  \nx = {{\n}}\n'
    )


def test_a_folder_that_is_no_project_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"experiments/__init__\.py; --project begins a project there"):
        write("mine", tmp_path)


def test_a_project_is_begun_where_none_is(tmp_path, project):
    with pytest.raises(InvalidInput, match=r"--project: begins one, and .*experiments is there already"):
        write("mine", project, project=True)
    shutil.rmtree(project / "experiments")
    written = write("mine", project, project=True)
    assert project / "experiments" / "__init__.py" in written
    begun = (project / "experiments" / "__init__.py").read_text()
    names = {node.name for node in ast.parse(begun).body if isinstance(node, ast.FunctionDef)}
    assert names == {"manager_of"}
    assert "__path__ = extend_path(__path__, __name__)" in begun
    assert begun.count('"mine": "experiments.mine.manager:MineManager",') == 1
    ours = (ROOT / "experiments" / "__init__.py").read_text().splitlines()
    assert [line for line in ours if line not in begun.splitlines()] == []
    style = ["check", "--config", str(ROOT / "pyproject.toml"), str(project / "experiments" / "__init__.py")]
    found = subprocess.run([sys.executable, "-m", "ruff", *style], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.slow
def test_what_it_writes_works(tmp_path):
    """In a copy of the tree: plan, its own test, the style of the house, and one run."""
    lab = Lab.make(tmp_path)
    try:
        done = lab.sashiko("new", "my_tables")
        assert done.returncode == 0, done.stderr
        assert "next: sashiko plan sweeps/my_tables.yaml" in done.stdout
        counted = lab.sashiko("plan", "sweeps/my_tables.yaml", "--count")
        assert counted.stdout.strip() == "175", counted.stderr
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        tested = lab.call("pytest", "-q", "-p", "no:cacheprovider", "tests/experiments/my_tables")
        assert "4 passed" in tested.stdout, tested.stdout + tested.stderr
        style = [
            ["check", "--ignore", "I001", "--config", str(ROOT / "pyproject.toml"), "experiments/my_tables"],
            ["format", "--check", "--config", str(ROOT / "pyproject.toml"), "experiments/my_tables"],
        ]
        for words in style:
            ruff = [sys.executable, "-m", "ruff", *words]
            found = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert found.returncode == 0, found.stdout
        run = lab.sashiko("run", "my_tables", "--data.name", "wine", "--model", "random_forest")
        assert run.returncode == 0, run.stderr
        assert "finished" in run.stdout
        again = lab.sashiko("new", "my_tables")
        assert again.returncode == 2
        assert "and there is" in again.stderr
    finally:
        lab.close()
