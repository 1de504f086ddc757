from framework.tracking.ledger import Attempt, Entry
from framework.tracking.states import Cause
from launch import bad_nodes

STATES = {Cause.FINISHED: "finished", Cause.FAILED: "failed", Cause.LOST: "crashed", Cause.PREEMPTED: "preempted"}


def entry(name: str, *worked: tuple[str, Cause, float]) -> Entry:
    """A point with attempts (node, how it ended, when it began)."""
    attempts = [
        Attempt(f"{name}-{number}", name, STATES[cause], cause, begun=begun, worker={"host": node})
        for number, (node, cause, begun) in enumerate(worked)
    ]
    return Entry(name, attempts)


FAILED, LOST, DONE, BACK = Cause.FAILED, Cause.LOST, Cause.FINISHED, Cause.PREEMPTED


def point(number: int, cause: Cause = FAILED, *, done_on: str = "n2") -> Entry:
    return entry(f"x={number}", ("n1", cause, float(number)), (done_on, DONE, 10.0 + number))


def test_three_in_a_row_that_are_done_elsewhere():
    assert bad_nodes.find([point(1), point(2, LOST), point(3)]) == {"n1": ["x=1", "x=2", "x=3"]}


def test_two_are_no_proof():
    assert bad_nodes.find([point(1), point(2)]) == {}


def test_what_fails_everywhere_is_no_fault_of_a_node():
    everywhere = entry("x=3", ("n1", FAILED, 3.0), ("n2", FAILED, 4.0))
    assert bad_nodes.find([point(1), point(2), everywhere]) == {}


def test_what_is_done_on_the_node_itself_later_is_no_fault_of_it():
    again = entry("x=3", ("n1", FAILED, 3.0), ("n1", DONE, 5.0))
    assert bad_nodes.find([point(1), point(2), again]) == {}


def test_a_success_between_them_breaks_the_row():
    between = entry("x=9", ("n1", DONE, 2.5))
    assert bad_nodes.find([point(1), point(2), point(3), between]) == {}
    before = entry("x=9", ("n1", DONE, 0.5))
    assert "n1" in bad_nodes.find([point(1), point(2), point(3), before])


def test_what_is_given_back_counts_for_nothing():
    back = entry("x=9", ("n1", BACK, 2.5))
    assert "n1" in bad_nodes.find([point(1), point(2), point(3), back])


def test_the_order_is_that_of_time_and_not_of_the_grid():
    done_last = entry("x=0", ("n1", DONE, 50.0))
    assert bad_nodes.find([done_last, point(1), point(2), point(3)]) == {}


def test_runs_that_no_process_began_name_no_node():
    unknown = Entry("x=1", [Attempt("a", "x=1", "failed", FAILED)])
    assert bad_nodes.find([unknown] * 3) == {}
