import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.mappings.latents import as_latents, as_pair, ridge_problems


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], dtype=np.int8)])
def test_anything_of_two_dimensions_becomes_double_precision(values):
    array = as_latents("z", values)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [[1, 2], [3, 4]])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_of_any_precision_and_with_a_graph_are_taken(dtype):
    tensor = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    np.testing.assert_array_equal(as_latents("z", tensor), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], r"z: has the shape \(2,\)"),
        (np.zeros((0, 3)), r"z: has the shape \(0, 3\)"),
        (np.zeros((3, 0)), r"z: has the shape \(3, 0\)"),
        ([["a", "b"]], "z: is no array of real numbers"),
        ([[1.0], [2.0, 3.0]], "z: is no array of real numbers"),
        ([[np.inf, 1.0], [0.0, np.nan], [0.0, 0.0]], "z: 2 of 3 samples hold NaN"),
    ],
)
def test_what_is_no_set_of_latents_is_refused(values, message):
    with pytest.raises(InvalidInput, match=message):
        as_latents("z", values)


def problems(source, target, prefix=""):
    return [str(problem) for problem in as_pair(source, target, prefix)[2]]


def test_a_pair_tells_every_problem_of_both_sides_under_its_prefix():
    found = problems([1.0], np.full((3, 2), 7.0), "pairs[4].")
    assert found[0].startswith("pairs[4].z_source: has the shape (1,)")
    assert found[1].startswith("pairs[4].z_target: all 3 samples are equal")
    assert len(found) == 2


def test_samples_that_differ_by_rounding_alone_have_collapsed():
    rng = np.random.default_rng(0)
    spread, target = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    single = (1000 + 1e-5 * spread).astype(np.float32)
    for given in (single, single.astype(np.float64), 1000 + 1e-14 * spread):
        assert "encoder collapsed" in problems(given, target)[0]
    assert problems(1000 + 1e-2 * spread, target) == []
    assert problems(1e6 + 1e-5 * spread, target) == []  # in double precision these are digits
    assert problems(1e-12 * spread, target) == []


def test_one_sample_alone_has_no_variance_and_may():
    assert problems([[1.0, 2.0]], [[3.0]]) == []


def test_ridges():
    assert ridge_problems([0, 0.1]) == []
    assert ridge_problems(np.array([0, 0.1])) == []
    assert "no value" in str(ridge_problems([])[0])
    assert "[-1.0, nan, inf]" in str(ridge_problems([1, -1, np.nan, np.inf])[0])


@pytest.mark.parametrize("scale", [1e60, 1e-60, 1e200])
def test_what_leaves_single_precision_is_refused(scale):
    (text,) = problems(scale * np.eye(3), np.eye(3))
    assert "allowed: 1e-18 to 1e+18" in text


def test_complex_latents_are_refused():
    (text,) = problems(np.eye(3) + 1j, np.eye(3))
    assert "is no array of real numbers" in text
