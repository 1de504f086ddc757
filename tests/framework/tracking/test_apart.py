"""What differs between two records is told by kind; what is the same is not."""

from framework.tracking import apart

BASE = {
    "python": "3.11.7",
    "platform": "Linux",
    "device": {"cpu": "A", "accelerators": []},
    "git": {"commit": "c" * 40, "dirty": False},
    "environment": "provenance-1",
    "packages": {"torch": "2.11", "numpy": "2.0"},
    "variables": {"OMP_NUM_THREADS": "1"},
    "data": {"digits": "d" * 64},
    "inputs": {"model-1": {"version": "model-1:v0", "digest": "x"}},
}


def test_equal_records_differ_in_nothing():
    assert apart.of_environments(BASE, dict(BASE)) == []
    assert apart.of_data(BASE, dict(BASE)) == []


def test_each_kind_is_told():
    now = {
        **BASE,
        "python": "3.12.1",
        "device": {"cpu": "B", "accelerators": ["GPU"]},
        "git": {"commit": "e" * 40, "dirty": True},
        "environment": "provenance-2",
        "packages": {"torch": "2.12", "pandas": "3.0"},
        "variables": {},
    }
    found = [tuple(one) for one in apart.of_environments(BASE, now)]
    assert found == [
        (apart.CODE, "commit", "c" * 12, "e" * 12 + " with changes"),
        (apart.PACKAGES, "numpy", "2.0", "-"),
        (apart.PACKAGES, "pandas", "-", "3.0"),
        (apart.PACKAGES, "torch", "2.11", "2.12"),
        (apart.MACHINE, "python", "3.11.7", "3.12.1"),
        (apart.MACHINE, "cpu", "A", "B"),
        (apart.MACHINE, "accelerators", "none", "GPU"),
        (apart.VARIABLES, "OMP_NUM_THREADS", "1", "-"),
    ]


def test_changes_beyond_one_commit_are_told_unless_the_source_is_known_to_be_the_same():
    dirty = {**BASE, "git": {"commit": "c" * 40, "dirty": True}}
    assert apart.of_environments(dirty, dirty) == []
    other = {**dirty, "environment": "provenance-2"}
    assert [one.kind for one in apart.of_environments(dirty, other)] == [apart.CODE]
    frozen = {**BASE["git"], "tree": "t", "dirty": True}  # type: ignore[dict-item]
    assert apart.of_environments({**dirty, "git": frozen}, {**other, "git": frozen}) == []


def test_code_that_no_commit_tells_is_told_by_its_digest():
    records = [
        {**BASE, "git": {"commit": "c", "source": digest}, "environment": digest} for digest in ("aa", "bb")
    ]
    assert [tuple(one) for one in apart.of_environments(*records)] == [
        (apart.CODE, "commit", "source aa", "source bb")
    ]


def test_data_and_inputs_are_told_by_digest():
    now = {**BASE, "data": {"digits": "f" * 64}, "inputs": {"model-1": {"version": "model-1:v1", "digest": "y"}}}
    assert [tuple(one) for one in apart.of_data(BASE, now)] == [
        (apart.DATA, "digits", "d" * 12, "f" * 12),
        (apart.INPUTS, "model-1", "x", "y"),
    ]


def test_outputs_are_compared_by_file():
    one = {"outputs": {"m": {"a": "1", "b": "2", "gone": "3"}}}
    other = {"outputs": {"m": {"a": "1", "b": "9", "new": "3"}}}
    assert apart.of_outputs(one, other) == (["m/a"], ["m/b"])
    times = [{"outputs": {"m": {"timing.parquet": digest}}} for digest in "12"]
    assert apart.of_outputs(*times) == ([], [])
