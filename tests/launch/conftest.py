"""A lab a test module: a scratch project with its own embedded server, stopped at the end."""

from collections.abc import Iterator

import pytest

from tests.lab import Lab, add_quick


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("lab"))
    add_quick(made)
    yield made
    made.close()
