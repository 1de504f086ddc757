"""What is asked of a tracker is what the client asks too: wandb.ai answers it as the embedded server does."""

from pathlib import Path

import pytest

from tests.launch.documents import CLIENT, Name, documents_of_core, is_known, names_in, strings_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def known() -> set[Name]:
    return names_in([*strings_of(CLIENT), *documents_of_core()])


@pytest.mark.parametrize(
    ("folder", "least"), [("framework/tracking", 90), ("launch/push", 4), ("launch/archive", 0)]
)
def test_every_name_is_one_that_the_client_uses(folder: str, least: int, known: set[Name]):
    ours = names_in(strings_of(ROOT / folder))
    assert len(ours) >= least
    assert sorted(name for name in ours if not is_known(name, known)) == []


def test_a_name_that_the_client_does_not_use_is_found(known: set[Name]):
    query = """query Q($name: Int!, $first: Int!) { viewer { id } invented
        project(name: $name) { runs(first: $first, filters: "") { pageInfo { totalCount } } } }"""
    strange = {name for name in names_in([query]) if not is_known(name, known)}
    assert strange == {("query", "invented"), ("project", "name: Int!"), ("pageInfo", "totalCount")}
