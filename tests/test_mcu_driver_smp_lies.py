"""The SMP driver, and what is no such board, or says what cannot be; the other end is a pty where a test says it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from driver_talk import Talk, run, talking, zephyr_says
from liar import BEAT, EVENT, HELLO, Liar
from pty_peer import Pty, Speaker, until

from edged.errors import BoardAway, BoardForeign
from edged.mcu import client, group
from edged.mcu.drivers import smp
from edged.mcu.group import Command
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# What is no such board.


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask who is there for a shorter time."""
    monkeypatch.setattr(smp, "HELLO_S", 0.1)


@pytest.mark.usefixtures("hurry")
def test_silence_is_away() -> None:
    async def scenario() -> None:
        with Pty() as pty:
            async with talking(pty.device) as talk:
                with pytest.raises(BoardAway, match="no answer") as away:
                    await talk.driver.identify()
                assert not isinstance(away.value, BoardForeign)

    run(scenario())


@pytest.mark.usefixtures("hurry")
def test_who_said_something_and_is_silent_is_away() -> None:
    """Our own board that hangs after it has booted, too, must not be taken for another."""

    async def scenario() -> None:
        with Pty() as pty:
            async with talking(pty.device) as talk:
                await pty.write(b"*** booting ***\r\n")
                with pytest.raises(BoardAway) as away:
                    await talk.driver.identify()
                assert not isinstance(away.value, BoardForeign)
                assert talk.text == ["*** booting ***"]

    run(scenario())


@pytest.mark.usefixtures("hurry")
def test_who_talks_smp_all_the_time_and_does_not_answer_is_away() -> None:
    """A board of ours that half hangs, in a lease of before."""

    async def scenario() -> None:
        async def beat() -> None:
            for sequence in itertools.cycle(range(256)):
                await silent.say(Message(Op.WRITE, group.GROUP, Command.HEARTBEAT, BEAT, sequence=sequence))
                await asyncio.sleep(0.005)

        async with Speaker() as silent, talking(silent.device) as talk:
            beating = asyncio.create_task(beat())
            with pytest.raises(BoardAway) as away:
                await talk.driver.identify()
            assert not isinstance(away.value, BoardForeign)
            beating.cancel()

    run(scenario())


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("noise", [b"\xff\x00\x91" * 40, b"a sketch prints: 0.3\r\n", b"\x06\x09!!!\n", b"~"])
def test_garbage_all_the_time_is_foreign(noise: bytes) -> None:
    async def scenario() -> None:
        async def chatter() -> None:
            while True:
                await pty.write(noise)
                pty.take()
                await asyncio.sleep(0.002)

        with Pty() as pty:
            async with talking(pty.device) as talk:
                chattering = asyncio.create_task(chatter())
                with pytest.raises(BoardForeign, match="is not SMP"):
                    await talk.driver.identify()
                chattering.cancel()
                assert talk.understood == 0

    run(scenario())


@pytest.mark.usefixtures("hurry")
def test_a_line_that_leads_back_to_us_is_foreign() -> None:
    async def scenario() -> None:
        async def echo() -> None:
            while True:
                await pty.write(pty.take())
                await asyncio.sleep(0.001)

        with Pty() as pty:
            async with talking(pty.device) as talk:
                echoing = asyncio.create_task(echo())
                with pytest.raises(BoardForeign):
                    await talk.driver.identify()
                echoing.cancel()
                assert set(talk.wrong) == {client.ECHO}

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "speaks version None of the protocol, not 1"),
        ({"proto": 2}, "speaks version 2 of the protocol, not 1"),
        ({"proto": 1, "fw": 5}, "none of edged's firmware: fw = 5"),
        ({**HELLO, "up": 2**64 - 1}, "counts that no board has"),
        ({**HELLO, "first": 11}, "counts that no board has"),
    ],
)
def test_a_hello_of_another_kind_is_foreign(answer: dict[str, Any], why: str) -> None:
    async def scenario() -> None:
        async with Speaker(lambda message: [message.response(answer)]) as peer, talking(peer.device) as talk:
            with pytest.raises(BoardForeign, match=why):
                await talk.driver.identify()

    run(scenario())


def test_names_are_fit_to_be_shown() -> None:
    wild = {"fw": "\x1b[31m1\n", "board": " host ", "chip": "x" * 1000, "reset": "\x07of its own"}

    async def scenario() -> None:
        answer = {**HELLO, **wild}
        async with Speaker(lambda message: [message.response(answer)]) as peer, talking(peer.device) as talk:
            identity = await talk.driver.identify()
            assert (identity.firmware, identity.board) == ("\ufffd[31m1\ufffd", "host")
            assert (identity.chip, identity.reset) == ("x" * 64, "unknown")

    run(scenario())


# A board that lies.


@contextlib.asynccontextmanager
async def lied_to() -> AsyncIterator[tuple[Liar, Talk]]:
    async with Liar() as liar, talking(liar.device) as talk:
        await talk.driver.identify()
        await talk.driver.listen()
        yield liar, talk


def test_an_event_that_is_possible_is_taken() -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            assert (await liar.tell()).body == {}
            (event,) = talk.events
            assert replace(event, score=0, mean=0) == replace(
                event, kind="detection", label="yes", score=0, mean=0, peak=1, model="00" * 8, boot=3, number=9,
                at_ms=4000, duration_ms=1000, began_sample=16000,
            )  # fmt: skip
            assert (await liar.tell(boot=2, ms=9_999_999)).body == {}  # of the run before, whose clock we do not know
            for kind in (1, 2, 3):
                await liar.tell(kind=kind)
            assert [event.kind for event in talk.events[2:]] == ["start", "update", "end"]
            assert liar.beats_read == 0
            assert talk.wrong == []

    run(scenario())


def test_an_event_decided_since_we_asked_is_asked_about() -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            liar.beat |= {"next": 12, "up": 6000}
            assert (await liar.tell(n=10, ms=5500)).body == {}
            assert (await liar.tell(n=11, ms=6000)).body == {}
            assert (liar.beats_read, len(talk.events)) == (1, 2)
            liar.beat |= {"next": 13}
            await talk.driver.pulse()
            await liar.tell(n=12)
            assert (liar.beats_read, len(talk.events)) == (2, 3)  # the pulse's was enough
            assert talk.wrong == []

    run(scenario())


@pytest.mark.parametrize(
    "differs",
    [
        {"n": 10},
        {"n": 2**32 - 1},
        {"boot": 4},
        {"boot": 2**32 - 1, "n": 1},
        {"ms": 5001},
        {"ms": 100 * 365 * 86_400_000},
    ],
)
def test_an_event_of_the_future_is_refused_and_never_acknowledged(differs: dict[str, int]) -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            for _ in range(3):
                answer = await liar.tell(**differs)
                assert answer.body["err"] == {"group": group.GROUP, "rc": group.Error.INVALID}
            assert talk.events == []
            assert talk.foreign == {smp.FUTURE: 3}
            assert set(talk.wrong) == {smp.FUTURE}
            assert liar.beats_read == 3
            assert (await liar.tell()).body == {}  # and a true one is taken

    run(scenario())


@pytest.mark.parametrize(
    "differs",
    [
        *({key: None} for key in EVENT),
        {"n": -1}, {"kind": 4}, {"label": "y" * 33}, {"label": 5}, {"score": 65537}, {"peak": 65537}, {"mean": 2**60},
        {"began": 32001}, {"at": 2**63}, {"ms": 2**64 - 1}, {"boot": "3"}, {"model": "x"},
    ],
)  # fmt: skip
def test_an_event_that_no_board_sends_is_refused(differs: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            assert (await liar.tell(**differs)).body == {"rc": 3}
            assert talk.events == []
            assert talk.foreign == {smp.DAMAGED: 1}
            assert talk.wrong == [smp.DAMAGED]

    run(scenario())


def test_heartbeats_are_answered_and_strange_requests_refused() -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            asked = [
                Message(Op.WRITE, group.GROUP, Command.HEARTBEAT, BEAT, sequence=100),
                Message(Op.WRITE, group.GROUP, Command.HEARTBEAT, {"boot": "x"}, sequence=101),
                Message(Op.READ, group.GROUP, Command.EVENT, EVENT, sequence=102),
                Message(Op.WRITE, group.GROUP, Command.RECORD + 50, sequence=103),
                Message(Op.WRITE, 0, 0, {"d": "x"}, sequence=104),
            ]
            await liar.say(*asked)
            await until(lambda: len(liar.responses) == len(asked))
            assert [response.body for response in liar.responses] == [{}, {"rc": 3}, {"rc": 8}, {"rc": 8}, {"rc": 8}]
            assert all(response.answers(each) for response, each in zip(liar.responses, asked, strict=True))
            assert talk.foreign == {smp.DAMAGED: 1, smp.STRANGE: 3}

    run(scenario())


def test_an_event_is_left_unanswered_while_it_cannot_be_asked_about() -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            answer, liar.answer = liar.answer, lambda _: []
            await liar.say(Message(Op.WRITE, group.GROUP, Command.EVENT, {**EVENT, "n": 10}, sequence=200))
            await until(lambda: liar.beats_read == 1)
            await asyncio.sleep(client.ANSWER_S + 0.5)
            assert liar.responses == []
            liar.answer = answer
            liar.beat["next"] = 11
            await liar.say(Message(Op.WRITE, group.GROUP, Command.EVENT, {**EVENT, "n": 10}, sequence=200))
            await until(lambda: len(liar.responses) == 1)
            assert len(talk.events) == 1
            assert talk.wrong == []

    run(scenario())


def test_who_is_hushed_is_not_subscribed_to_again_nor_acknowledged() -> None:
    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            await talk.driver.pulse()
            await talk.driver.hush()
            await liar.say(Message(Op.WRITE, group.GROUP, Command.EVENT, EVENT, sequence=200))
            await until(lambda: talk.understood == 6)
            await talk.driver.pulse()
            leases = [message.body["lease"] for message in liar.requests if message.command == Command.SUBSCRIBE]
            assert leases == [10_000, 10_000, 0]
            assert liar.responses == []
            assert talk.events == []

    run(scenario())


def test_who_becomes_another_is_foreign() -> None:
    """A plain server under the name of a board that spoke more a moment ago."""

    async def scenario() -> None:
        async with lied_to() as (liar, talk):
            liar.answer = zephyr_says({})
            with pytest.raises(BoardForeign, match="no more"):
                await talk.driver.pulse()
            liar.answer = lambda message: [message.response({"lease": "long"})]
            with pytest.raises(BoardForeign, match="none of edged's firmware"):
                await talk.driver.pulse()
            liar.answer = lambda message: [message.response({"lease": 1, **BEAT, "up": 2**63})]
            with pytest.raises(BoardForeign, match="counts that no board has"):
                await talk.driver.pulse()

    run(scenario())
