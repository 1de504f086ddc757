"""Which fields only tell replicates apart, by their names."""

import pytest

from framework.importance import names_a_seed


@pytest.mark.parametrize(
    ("name", "expected"),
    [("seed", True), ("model.seed", True), ("data_seed", True), ("random_state", True), ("seedling", False),
     ("lr", False), ("Seed", True), ("model-seed", True), ("seed.width", False), ("linseed", False)],
)  # fmt: skip
def test_seeds_by_name(name: str, expected: bool) -> None:
    assert names_a_seed(name) is expected
