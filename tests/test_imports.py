"""The direction of imports, and what the spine costs."""

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RANK = {"framework": 0, "experiments": 1, "launch": 2}
HEAVY = (
    "torch",
    "wandb",
    "pytorch_lightning",
    "lightning",
    "torchvision",
    "pandas",
    "numpy",
    "sklearn",
    "matplotlib",
)
SPINE = (
    *(
        "errors",
        "config",
        "fields",
        "problems",
        "dialect",
        "layers",
        "grid",
        "definition",
        "plan",
        "manager",
    ),
    "search",
)
SERVER_MAY = (
    "framework.grid", "framework.definition", "framework.errors", "framework.search", "framework.importance",
)  # fmt: skip


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("package", sorted(RANK))
def test_imports_go_one_way(package: str):
    for path in sources(package):
        for name in imports(path):
            rank = RANK.get(name.split(".")[0])
            assert rank is None or rank <= RANK[package], f"{path} imports {name}"


def test_experiments_never_import_one_another():
    for path in sources("experiments"):
        parts = path.relative_to(ROOT / "experiments").parts
        for name in imports(path):
            words = name.split(".")
            if len(parts) > 1 and words[0] == "experiments" and len(words) > 1:
                assert words[1] == parts[0], f"{path} imports {name}"


def test_the_server_knows_only_grids_definitions_errors_and_importance():
    for path in sources("launch/server"):
        for name in imports(path):
            if name.split(".")[0] in RANK and not name.startswith("launch.server"):
                assert name.startswith(SERVER_MAY), f"{path} imports {name}"


def test_nothing_but_launch_and_tests_imports_the_server():
    for package in ("framework", "experiments"):
        for path in sources(package):
            assert not any(name.startswith("launch") for name in imports(path)), path


def test_launch_imports_the_server_only_where_a_command_needs_it():
    for path in sources("launch"):
        if "server" not in path.relative_to(ROOT / "launch").parts[:-1]:
            assert not any(n.startswith("launch.server") for n in imports(path, top_level_only=True)), path


def loaded_by(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        *(f"import framework.{name}" for name in SPINE),
        "from experiments import EXPERIMENTS, manager_of\nfor name in EXPERIMENTS: manager_of(name)",
        "import launch.cli",
        "import launch.server",
    ],
)
def test_the_spine_and_every_manager_stay_light(code: str):
    assert not loaded_by(code) & set(HEAVY)


def test_planning_ten_thousand_points_is_quick(tmp_path: Path):
    """A bound wide enough for a busy machine; `make bench` measures against the target of one second."""
    file = tmp_path / "large.yaml"
    axes = (
        "{sampling_seed: {values: %s}, mapping: {values: [{kind: linear}, {kind: affine}]}, source: {values: %s}}"
    )
    file.write_text(
        "method: grid\ncommand: [python, -m, experiments, stitching]\n"
        f"parameters: {axes % (list(range(50)), [{'seed': seed} for seed in range(100)])}\n"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "launch.cli", "plan", str(file)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.endswith("10000 runs of stitching, batch " + str(file) + "\n")
    assert time.monotonic() - start < 20


def test_the_command_looks_before_it_imports_anything_of_ours():
    assert not {name.split(".")[0] for name in imports(ROOT / "sashiko.py", top_level_only=True)} & set(RANK)


def test_no_file_is_above_500_lines():
    for package in (*RANK, "tests"):
        for path in sources(package):
            assert len(path.read_text().splitlines()) <= 500, path
