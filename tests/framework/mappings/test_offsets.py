"""Latents far from the origin keep their digits, in every kind of mapping that centres them."""

import numpy as np
import pytest
import torch

from framework.mappings import METHODS
from framework.mappings.methods import load_mapping, mapping_of
from framework.mappings.offsets import in_two, less, plus, whole

OFFSET, SCALE = 1e3, 1e-4
CENTRING = ("affine", "orthogonal", "permutation", "kernel", "decouple_affine")


def test_two_parts_hold_what_one_cannot():
    rng = np.random.default_rng(0)
    mean = OFFSET + rng.normal(size=50)
    parts = in_two(mean)
    assert parts.dtype == torch.float32
    np.testing.assert_allclose(whole(parts).numpy(), mean, rtol=1e-14)
    near = torch.from_numpy(mean + SCALE * rng.normal(size=(9, 50)))
    np.testing.assert_allclose(less(near, parts).numpy(), near.numpy() - mean, atol=1e-10)
    np.testing.assert_allclose(plus(less(near, parts), parts).numpy(), near.numpy(), rtol=1e-14)
    single = near.float()
    np.testing.assert_allclose(less(single, parts).numpy(), single.double().numpy() - mean, atol=1e-9)


@pytest.mark.parametrize("kind", CENTRING)
def test_an_offset_costs_no_digits(kind):
    """The same latents about the origin are the reference."""
    rng = np.random.default_rng(0)
    dim = 4
    z, weight = rng.normal(size=(60, dim)), rng.normal(size=(dim, dim))
    y = z @ weight.T
    options = {"gamma": 0.5} if kind == "kernel" else {}
    there = {**options, "gamma": 0.5 / SCALE**2} if options else {}
    ridge = 0.01 if kind == "kernel" else 0.0
    near = METHODS[kind](ridge=ridge, **options).fit(z, y)(z)
    far_z, far_y = OFFSET + SCALE * z, OFFSET + SCALE * y
    if kind == "kernel":  # which has no offset of its own: far from all centres it is 0
        far_y, near_scaled = y, near
    else:
        near_scaled = OFFSET + SCALE * near
    far = METHODS[kind](ridge=ridge, **there).fit(far_z, far_y)(far_z)
    unit = 1.0 if kind == "kernel" else SCALE
    np.testing.assert_allclose(far, near_scaled, atol=1e-3 * unit)


@pytest.mark.parametrize("kind", list(METHODS))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_mapping_takes_every_precision_and_gives_it_back(kind, dtype):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
    mapping = METHODS[kind]().fit(torch.from_numpy(z).to(dtype), torch.from_numpy(y).to(dtype))
    mapped = mapping(torch.from_numpy(z).to(dtype))
    assert mapped.dtype == dtype
    expected = METHODS[kind]().fit(torch.from_numpy(z).to(dtype).double(), torch.from_numpy(y).to(dtype).double())(
        torch.from_numpy(z).to(dtype).double()
    )
    digits = {torch.float64: 1e-12, torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 5e-2}[dtype]
    assert float((mapped.double() - expected).abs().max()) <= digits * float(expected.abs().max())


@pytest.mark.parametrize("kind", list(METHODS))
def test_arrays_come_back_as_arrays(kind):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(40, 5)).astype(np.float32), rng.normal(size=(40, 5))
    mapping = METHODS[kind]().fit(z, y)
    for given in (z, z.astype(np.float64), z[:0]):
        mapped = mapping(given)
        assert isinstance(mapped, np.ndarray)
        assert (mapped.dtype, mapped.shape) == (given.dtype, (len(given), 5))
    assert mapping(z.tolist()).dtype == np.float64
    np.testing.assert_allclose(mapping(z), mapping(torch.from_numpy(z)).numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", ["affine", "orthogonal", "permutation"])
def test_mappings_that_were_saved_with_a_bias_are_read(kind):
    rng = np.random.default_rng(0)
    weight, bias = torch.from_numpy(rng.normal(size=(3, 3))).float(), torch.from_numpy(rng.normal(size=3)).float()
    mapping = mapping_of(kind, {"weight": weight, "bias": bias}, 3, 3)
    z = torch.from_numpy(rng.normal(size=(7, 3))).float()
    torch.testing.assert_close(mapping(z), torch.nn.functional.linear(z, weight, bias))
    torch.testing.assert_close(mapping.bias, bias)


def test_paths_are_texts_too_and_a_mapping_says_what_it_is(tmp_path):
    rng = np.random.default_rng(0)
    mapping = METHODS["affine"](ridge=0.1).fit(rng.normal(size=(40, 5)), rng.normal(size=(40, 3)))
    assert repr(mapping) == "affine(5 → 3, λ=0.1, n=40)"
    mapping.save(str(tmp_path / "there"))
    loaded = load_mapping(str(tmp_path / "there"))
    assert repr(loaded) == repr(mapping)
    z = rng.normal(size=(4, 5))
    np.testing.assert_array_equal(loaded(z), mapping(z))
