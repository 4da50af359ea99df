"""Questions and answers over SMP, both ways at once; the other end is a pty where a test says what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import serial_soup
from hypothesis import given, settings
from hypothesis import strategies as st
from pty_peer import Pty, Speaker, until

from edged.errors import BoardAway, BoardForeign, BoardRefused
from edged.mcu import client, framing, group, smp
from edged.mcu.client import SmpClient
from edged.mcu.group import Command
from edged.mcu.link import Link
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

ECHO = Message(Op.WRITE, 0, 0, {"d": "a word"})


def run(scenario: Coroutine[object, object, None]) -> None:
    """With a deadline, so that nothing hangs."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(within())


@dataclass
class Ours:
    """Our end, and all that it heard."""

    link: Link
    client: SmpClient = field(init=False)
    running: asyncio.Task[None] = field(init=False)
    asked: list[Message] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    understood: int = 0

    def understand(self) -> None:
        self.understood += 1


@contextlib.asynccontextmanager
async def speaking(
    pty: Pty, reply: Callable[[Message], Awaitable[Message | None]] | None = None
) -> AsyncIterator[Ours]:
    """A client on a pty; where no reply is given, all is well."""
    ours = Ours(Link.open(pty.device, baud=4_000_000, dtr=None, rts=None))

    async def asked(message: Message) -> Message | None:
        ours.asked.append(message)
        return message.response() if reply is None else await reply(message)

    ours.client = SmpClient(
        ours.link, asked=asked, text=ours.text.append, wrong=ours.wrong.append, understood=ours.understand
    )
    ours.running = asyncio.create_task(ours.client.run())
    try:
        yield ours
    finally:
        ours.running.cancel()
        await asyncio.gather(ours.running, return_exceptions=True)
        ours.link.close()


def event(sequence: int, **more: Any) -> Message:
    return Message(Op.WRITE, group.GROUP, Command.EVENT, more, sequence=sequence)


def says(**answer: Any) -> Callable[[Message], list[Message | bytes]]:
    return lambda message: [message.response(answer)]


# What we ask.


def test_an_answer_goes_to_who_asked() -> None:
    async def scenario() -> None:
        async with (
            Speaker(lambda message: [message.response({"r": message.body["d"]})]) as peer,
            speaking(peer) as ours,
        ):
            words = [str(number) for number in range(300)]  # sequences begin again on the way
            answers = await asyncio.gather(*(ours.client.ask(Message(Op.WRITE, 0, 0, {"d": word})) for word in words))
            assert [answer.body["r"] for answer in answers] == words
            assert len({message.sequence for message in peer.requests}) == 256
            assert ours.understood == 300
            assert ours.wrong == []

    run(scenario())


def test_one_thing_is_asked_at_a_time() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            asking = [asyncio.create_task(ours.client.ask(ECHO, timeout_s=20)) for _ in range(3)]
            for number in range(3):
                await until(lambda: len(peer.requests) > number)  # noqa: B023 - waited for at once
                await asyncio.sleep(0.02)
                assert len(peer.requests) == number + 1
                await peer.say(peer.requests[-1].response({"r": number}))
            assert [(await each).body["r"] for each in asking] == [0, 1, 2]

    run(scenario())


def test_the_moments_of_an_exchange_enclose_it() -> None:
    async def scenario() -> None:
        async with Speaker(says()) as peer, speaking(peer) as ours:
            exchange = await ours.client.exchange(ECHO)
            assert exchange.asked_ns < exchange.answered_ns
            assert exchange.answer.answers(peer.requests[0])

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"rc": 8}, (None, 8, "not supported")),
        ({"rc": 3, "rsn": "a label is too long"}, (None, 3, "a label is too long")),
        ({"err": {"group": 65, "rc": 8}, "rsn": "erasing"}, (65, 8, "erasing")),
        ({"err": {"group": 65, "rc": 9}}, (65, 9, "golden")),
        ({"err": {"group": 65, "rc": 99}}, (65, 99, "an error of group 65")),
        ({"err": {"group": 1, "rc": 3}}, (1, 3, "an error of group 1")),
        ({"rc": 99}, (None, 99, "an error")),
    ],
)
def test_a_refusal_is_told_in_words(answer: dict[str, Any], told: tuple[int | None, int, str]) -> None:
    async def scenario() -> None:
        async with Speaker(says(**answer)) as peer, speaking(peer) as ours:
            with pytest.raises(BoardRefused, match=told[2]) as refused:
                await ours.client.ask(ECHO)
            assert (refused.value.group, refused.value.rc) == told[:2]

    run(scenario())


@pytest.mark.parametrize("answer", [{"rc": "no"}, {"err": 5}, {"err": {"group": 1}}])
def test_an_error_that_is_none_is_foreign(answer: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with Speaker(says(**answer)) as peer, speaking(peer) as ours:
            with pytest.raises(BoardForeign):
                await ours.client.ask(ECHO)
            with pytest.raises(BoardForeign):  # and the next one may ask
                await ours.client.ask(ECHO)

    run(scenario())


def test_silence_is_told_after_all_tries_which_are_one_request() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            with pytest.raises(BoardAway, match=r"no answer to 0/0 within 0\.15 s"):
                await ours.client.ask(ECHO, timeout_s=0.05, tries=3)
            await until(lambda: len(peer.requests) == 3)
            assert len({message.sequence for message in peer.requests}) == 1
            assert not ours.running.done()

    run(scenario())


def test_a_late_answer_to_an_earlier_try_is_an_answer() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            peer.answer = lambda _: [peer.requests[0].response()] if len(peer.requests) == 2 else []
            await ours.client.ask(ECHO, timeout_s=0.1, tries=100)
            assert len(peer.requests) >= 2

    run(scenario())


def test_answers_that_come_twice_or_too_late_are_dropped_and_counted() -> None:
    async def scenario() -> None:
        async with Speaker(lambda message: [message.response()] * 3) as peer, speaking(peer) as ours:
            for _ in range(5):
                await ours.client.ask(ECHO)
            await until(lambda: ours.link.counts.foreign.get(client.UNASKED) == 10)
            peer.answer = lambda _: []
            with pytest.raises(BoardAway):
                await ours.client.ask(ECHO, timeout_s=0.01)
            await until(lambda: len(peer.requests) == 6)
            late = peer.requests[-1]
            peer.answer = lambda message: [late.response({"r": "late"}), message.response({"r": "mine"})]
            assert (await ours.client.ask(ECHO)).body["r"] == "mine"
            assert ours.link.counts.foreign == {client.UNASKED: 11}
            assert ours.wrong == []  # it happens
            assert peer.responses == []  # a response is never answered

    run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [
        Message(Op.READ_RESPONSE, 0, 0),
        Message(Op.WRITE_RESPONSE, 1, 0),
        Message(Op.WRITE_RESPONSE, 0, 1),
    ],
)
def test_an_answer_to_something_else_is_none(wrong: Message) -> None:
    async def scenario() -> None:
        def answer(message: Message) -> list[Message | bytes]:
            other = Message(wrong.op, wrong.group, wrong.command, sequence=message.sequence)
            return [other, message.response({"r": "mine"})]

        async with Speaker(answer) as peer, speaking(peer) as ours:
            assert (await ours.client.ask(ECHO)).body["r"] == "mine"

    run(scenario())


def test_whoever_waits_is_told_at_once_when_the_link_is_lost() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            asking = [asyncio.create_task(ours.client.ask(ECHO, timeout_s=1000)) for _ in range(3)]
            await until(lambda: bool(peer.requests))
            await peer.fall_silent()
            peer.unplug()
            for each in asking:
                with pytest.raises(BoardAway, match="lost"):
                    await each
            with pytest.raises(BoardAway, match="the port is lost"):
                await ours.running

    run(scenario())


def test_who_gives_up_waiting_leaves_the_line_to_the_next() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            asking = asyncio.create_task(ours.client.ask(ECHO, timeout_s=1000))
            await until(lambda: bool(peer.requests))
            asking.cancel()
            peer.answer = says(r="next")
            assert (await ours.client.ask(ECHO)).body["r"] == "next"

    run(scenario())


# What the board asks.


def test_the_board_is_answered_while_we_wait_for_its_answer() -> None:
    async def scenario() -> None:
        async with Speaker() as peer, speaking(peer) as ours:
            asking = asyncio.create_task(ours.client.ask(ECHO, timeout_s=1000))
            await until(lambda: bool(peer.requests))
            for sequence in (3, 4):
                await peer.say(event(sequence))
                await until(lambda: len(peer.responses) == sequence - 2)  # noqa: B023 - waited for at once
                assert peer.responses[-1].answers(event(sequence))
            assert not asking.done()
            await peer.say(peer.requests[0].response())
            await asking

    run(scenario())


def test_we_ask_while_an_answer_to_the_board_is_being_found() -> None:
    """To store an event may take long, and to see whether it is true takes a question."""

    async def scenario() -> None:
        async def reply(message: Message) -> Message:
            return message.response((await ours.client.ask(ECHO)).body)

        async with Speaker(says(r="yes")) as peer, speaking(peer, reply) as ours:
            await peer.say(event(9))
            await until(lambda: bool(peer.responses))
            assert peer.responses[0].body == {"r": "yes"}

    run(scenario())


def test_no_answer_is_none() -> None:
    async def scenario() -> None:
        async def reply(_: Message) -> None:
            return None

        async with Speaker(says()) as peer, speaking(peer, reply) as ours:
            for sequence in range(5):
                await peer.say(event(sequence))
            await until(lambda: len(ours.asked) == 5)
            await ours.client.ask(ECHO)
            assert peer.responses == []

    run(scenario())


def test_a_request_that_waits_is_answered_once_and_its_successor_in_its_place() -> None:
    """The board sends an event again while it is being stored; if it has begun anew, its sequence means another one."""

    async def scenario() -> None:
        go_on = asyncio.Event()

        async def reply(message: Message) -> Message:
            await go_on.wait()
            return message.response({"n": message.body["n"]})

        async with Speaker() as peer, speaking(peer, reply) as ours:
            for _ in range(3):
                await peer.say(event(1, n=1))
            await peer.say(event(2, n=2), event(2, n=2), event(3, n=3), event(3, n=4))
            await until(lambda: ours.link.counts.foreign.get(client.AGAIN) == 3)
            await until(lambda: ours.understood == 7)
            go_on.set()
            await until(lambda: len(peer.responses) == 3)
            assert [response.body["n"] for response in peer.responses] == [1, 2, 4]
            assert ours.wrong == []
            go_on.clear()
            await peer.say(event(1, n=1))
            await until(lambda: len(ours.asked) == 4)
            await peer.say(event(1, n=5))
            await until(lambda: ours.understood == 9)
            go_on.set()
            await until(lambda: len(peer.responses) == 4)
            assert peer.responses[-1].body == {"n": 5}  # and none to the one that was being answered

    run(scenario())


def test_more_requests_than_are_answered_are_dropped_and_counted() -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()

        async def reply(message: Message) -> Message:
            await go_on.wait()
            return message.response()

        async with Speaker() as peer, speaking(peer, reply) as ours:
            await peer.say(*(event(sequence) for sequence in range(30)))
            await until(lambda: ours.understood == 30)
            assert ours.link.counts.foreign == {client.TOO_MANY: 30 - client.MAX_ASKED}
            assert set(ours.wrong) == {client.TOO_MANY}
            go_on.set()
            await until(lambda: len(peer.responses) == client.MAX_ASKED)

    run(scenario())


def test_a_line_that_leads_back_to_us_is_no_board() -> None:
    """An echo of our answer to an echo of our question would be an answer."""

    async def scenario() -> None:
        with Pty() as pty:

            async def echo() -> None:
                while True:
                    await pty.write(pty.take())
                    await asyncio.sleep(0.001)

            async with speaking(pty) as ours:
                echoing = asyncio.create_task(echo())
                with pytest.raises(BoardAway, match="no answer"):
                    await ours.client.ask(ECHO, timeout_s=0.1, tries=3)
                await until(lambda: ours.link.counts.foreign == {client.ECHO: 3})
                echoing.cancel()
                assert ours.understood == 0

    run(scenario())


# What is neither.


def test_text_is_the_boards_log_and_what_is_damaged_is_counted() -> None:
    async def scenario() -> None:
        async with Speaker(says()) as peer, speaking(peer) as ours:
            frame = framing.write(smp.write(event(1)))
            await peer.say(
                b"booting\r\nh\xc3\xb6rt\n", frame[:-3] + b"x\n", framing.write(b"no message"), frame, b"a prompt> "
            )
            await until(lambda: bool(peer.responses))
            assert ours.text == ["booting", "hört"]
            assert (ours.link.counts.text_lines, ours.link.counts.bad) == (2, 2)
            assert ours.wrong == [client.NO_FRAME, client.NO_MESSAGE]
            assert ours.understood == 1

    run(scenario())


def test_ten_megabytes_without_a_newline_are_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.mcu.link.MAX_BYTES_PER_S", 1e9)

    async def scenario() -> None:
        with Pty() as pty:
            async with speaking(pty) as ours:
                longest = 0
                for _ in range(160):
                    await pty.write(b"\x06A" * 32768)
                    longest = max(longest, len(ours.client._reader._pending), *map(len, ours.text), 0)
                    ours.text.clear()
                await until(lambda: ours.link.counts.bytes_in == 160 * 65536)
                assert longest <= 8192
                await pty.write(b"\n" + framing.write(smp.write(event(1))))
                await until(lambda: len(ours.asked) == 1)

    run(scenario())


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_no_soup_is_fatal_and_no_whole_frame_in_it_is_lost(seed: int) -> None:
    """Seeded garbage between whole frames, in any pieces: each of them is heard, once, in its order."""
    rng = random.Random(seed)
    parts: list[bytes] = []
    messages = [event(sequence, data=rng.randbytes(rng.choice((0, 60, 300, 1200)))) for sequence in range(8)]
    for message in messages:
        parts += [serial_soup.soup(rng), b"\n" if rng.random() < 0.7 else b"", framing.write(smp.write(message))]

    async def scenario() -> None:
        with Pty() as pty:
            async with speaking(pty) as ours:
                for piece in serial_soup.pieces(b"".join(parts), rng, most=rng.choice((3, 60, 2000))):
                    await pty.write(piece)
                    kept = len(ours.client._reader._pending) + len(ours.client._reader._frame)
                    assert kept <= framing.MAX_PENDING_BYTES + framing.MAX_MESSAGE_BYTES + 4096
                size = sum(map(len, parts))
                await until(lambda: ours.link.counts.bytes_in == size)
                await until(lambda: not ours.client._requests)
                assert not ours.running.done()
                assert [message for message in ours.asked if message in messages] == messages

    run(scenario())
