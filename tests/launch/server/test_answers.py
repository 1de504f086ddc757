"""Large answers: so many at a time, of each user and of all; a client that does not read on is cut off."""

from typing import Any

import anyio
import pytest

from launch.server import answers
from launch.server.answers import Answer, Answers
from launch.server.errors import ApiError
from launch.server.limits import LARGE_ANSWER, LARGE_ANSWERS, LARGE_ANSWERS_EACH

LARGE = 'query L { project(name: "p") { run(name: "r") { config } } }'


def test_each_user_and_all_have_so_many_at_a_time() -> None:
    all_of = Answers()
    held = [all_of.slot(1) for _ in range(LARGE_ANSWERS_EACH)]
    for slot in (*held, *held):
        slot.take()  # again is no second one
    with pytest.raises(ApiError, match="try again") as caught:
        all_of.slot(1).take()
    assert caught.value.status == 503
    others = [all_of.slot(user) for user in range(2, 2 + LARGE_ANSWERS - LARGE_ANSWERS_EACH)]
    for slot in others:
        slot.take()
    with pytest.raises(ApiError, match="try again"):
        all_of.slot(99).take()
    for slot in (*held, *held, *others):
        slot.give()  # again changes nothing
    assert all(all_of.take(1) for _ in range(LARGE_ANSWERS_EACH))


def test_an_answer_gives_its_place_back_at_its_end_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_SECONDS", 0.1)
    sent: list[Any] = []

    async def take(message: Any) -> None:
        sent.append(message)

    async def stall(message: Any) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep(60)

    async def break_off(message: Any) -> None:
        raise OSError("gone")

    all_of = Answers()
    content = {"text": "x" * (3 * answers.PIECE)}
    for send in (take, stall, break_off):
        slot = all_of.slot(1)
        slot.take()

        async def scene(send: Any = send, slot: Any = slot) -> None:
            await Answer(content, slot)({}, None, send)  # type: ignore[arg-type]

        if send is break_off:
            with pytest.raises(OSError, match="gone"):
                anyio.run(scene)
        else:
            anyio.run(scene)
    assert all(all_of.take(1) for _ in range(LARGE_ANSWERS_EACH))
    body = b"".join(message.get("body", b"") for message in sent)
    assert len(body) == 3 * answers.PIECE + len('{"text":""}')
    assert [message.get("more_body") for message in sent[1:]] == [True] * 3 + [False]


def test_a_large_answer_takes_a_place_and_a_small_one_none(
    ask: Any, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("r")
    taken: list[int] = []
    monkeypatch.setattr(answers.Answers, "take", lambda self, user: taken.append(user) or True)
    ask(LARGE)
    assert taken == []
    config = '{"k": {"value": "' + "x" * (LARGE_ANSWER + 9) + '"}}'
    ask(
        'mutation U($c: JSONString) { upsertBucket(input: {modelName: "p", name: "r", config: $c}) { inserted } }',
        c=config,
    )
    ask(LARGE)
    assert taken == [1]
