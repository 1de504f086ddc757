import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.mappings import METHODS


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_is_the_identity_whatever_the_samples(rng):
    mapping = METHODS["identity"]().fit(rng.normal(size=(9, 5)), rng.normal(size=(9, 5)))
    z = torch.randn(7, 5)
    assert torch.equal(mapping(z), z)
    assert torch.equal(mapping.matrix, torch.eye(5))
    assert mapping.state_dict() == {}


def test_other_sizes_and_collapsed_latents_are_refused_together(rng):
    with pytest.raises(InvalidInput) as caught:
        METHODS["identity"]().fit(np.ones((9, 5)), rng.normal(size=(9, 4)))
    assert [problem.key for problem in caught.value.problems] == ["z_source", "z_target"]
    assert "z_target: has 4 dimensions where z_source has 5; the identity needs as many" in str(caught.value)
