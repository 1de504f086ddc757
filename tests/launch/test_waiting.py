"""Why jobs wait, in plain words: of the commonest reasons, and of limits by what their names say."""

import pytest

from launch import waiting


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "waits for nodes to become free"),
        ("(Priority)", "others are before it"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", "down, drained or reserved"),
        ("ReqNodeNotAvail, Reserved for maintenance", "down, drained or reserved"),
        ("Dependency", "waits for another job"),
        ("AssocGrpGRES", "your group uses all the GPUs that it may"),
        ("AssocGrpCpuLimit", "your group uses all the CPUs that it may"),
        ("AssocMaxJobsLimit", "you use all the jobs at a time that you may"),
        ("QOSMaxGRESPerUser", "you use all the GPUs that one user may"),
        ("QOSMaxJobsPerUserLimit", "you use all the jobs at a time that one user may"),
        ("QOSGrpMemLimit", "all the memory of this quality of service"),
        ("QOSMaxMemoryPerJob", "more memory than one job may have"),
        ("JobArrayTaskLimit", "parallel_jobs"),
        ("", "no reason yet"),
    ],
)
def test_what_a_reason_means(reason, words):
    assert words in waiting.meaning(reason)


def test_a_reason_that_is_not_known_is_left_as_it_is():
    assert waiting.meaning("SomethingNew") == ""


def test_no_job_that_waits_is_called_dead():
    for words in waiting.WORDS.values():
        assert "killed" not in words
        assert "lost" not in words
