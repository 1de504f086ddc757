"""The wheel and the sdist of this tree, built once."""

import pytest

from tests.package import building
from tests.package.building import ROOT, Built


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git tree, which tells what belongs to the package")
    return building.build(building.copy(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("built"))
