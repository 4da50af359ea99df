"""Stock Edge Impulse boards: whole sessions on a pty, in both formats, torn, paced, stopped, hung and silent."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Literal

import pytest
from ei_board import SECRETS, EiBoard, config, new_result, old_result, settings
from hypothesis import given
from hypothesis import strategies as st
from serial_soup import pieces
from text_rig import Heard, edge_impulse, until

from edged.errors import BoardAway, BoardForeign
from edged.mcu import at
from edged.mcu.drivers import edge_impulse as spoken
from edged.mcu.drivers import handover
from edged.mcu.judge import Hearing, Judge
from edged.mcu.lines import Scored, Timed
from edged.mcu.secrets import redact
from edged.mcu.textline import Line, Prompt, Splitter

if TYPE_CHECKING:
    from collections.abc import Callable

NOISE = {"_noise": 0.99219, "no": 0.00391, "yes": 0.00390}
YES = {"_noise": 0.01562, "no": 0.07422, "yes": 0.91016}
NO = {"_noise": 0.03125, "no": 0.96875, "yes": 0.0}
SESSION = (NOISE, NOISE, YES, YES, NOISE, NO, NOISE, NOISE, YES, NOISE)
HEARS = Hearing(background=frozenset({"_noise"}), threshold=0.8, refractory_s=0.0)
EXPECTED = [("yes", 0.91016), ("no", 0.96875), ("yes", 0.91016)]


@pytest.fixture(autouse=True)
def _no_regrets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an impulse to fail only where one does; and for an echo as long as a busy machine takes."""
    monkeypatch.setattr(spoken, "ECHO_S", 20.0)
    if "continuously" not in request.node.name:
        monkeypatch.setattr(spoken, "REGRET_S", 0.02)


def told(heard: Heard) -> list[tuple[str, float]]:
    return [(event.label, round(event.score, 5)) for event in heard.events]


@pytest.mark.parametrize("results_as", ["old", "new"])
@pytest.mark.parametrize("waits", [True, False], ids=["esp32", "thingy53"])
@pytest.mark.parametrize("anomaly", [None, -0.067])
def test_a_session_in_either_format_gives_the_same_events(
    results_as: Literal["old", "new"],
    waits: bool,  # noqa: FBT001 - a parameter of the test
    anomaly: float | None,
) -> None:
    async def session() -> None:
        heard = Heard()
        board = EiBoard(SESSION, results_as, waits=waits, anomaly=anomaly)
        with board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                who = await driver.identify()
                assert (who.speaks, who.board, who.firmware) == ("edge-impulse", "ESPRESSIF_ESP32", "AT 1.8.0")
                assert (who.uid, who.microphone, who.boot) == ("3c610511d6ec", True, None)
                await driver.listen()
                await until(lambda: board.said >= len(SESSION) + 2, what="all was said")
                await until(lambda: len(heard.events) >= len(EXPECTED), what="all is heard")
                pulse = await driver.pulse()
                await driver.hush()
                await until(lambda: not board.running, what="the board is silent")
        assert told(heard) == EXPECTED
        assert all(event.kind == "detection" and event.arrived_ns for event in heard.events)
        assert all(event.number is None and event.at_ms is None for event in heard.events)
        times = (16.0, 1.0) if results_as == "old" else (140.0, 0.997)
        assert (pulse.features_ms, pulse.inference_ms) == times
        assert pulse.round_trip_ms is None
        assert pulse.inferences is not None
        assert pulse.inferences >= len(SESSION)
        assert board.commands == ["AT+CONFIG?", "AT+RUNIMPULSECONT"]
        assert board.lost_bytes == 0
        assert heard.wrongs == []
        assert heard.signs > 0
        assert heard.texts == []

    asyncio.run(session())


def test_a_board_that_runs_already_is_stopped_and_asked() -> None:
    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: bool(heard.events))
            async with edge_impulse(board.path, Heard(), HEARS) as driver:  # edged was killed meanwhile
                assert (await driver.identify()).board == "ESPRESSIF_ESP32"

    asyncio.run(session())


def test_a_model_that_cannot_run_continuously_runs_with_pauses() -> None:
    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION, "old", continuous=False) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: len(heard.events) >= len(EXPECTED))
        assert told(heard) == EXPECTED
        assert board.commands[1:] == ["AT+RUNIMPULSECONT", "AT+RUNIMPULSE"]
        assert heard.texts == ["ERR: no continuous classification available for current model"]

    asyncio.run(session())


def test_a_board_that_runs_nothing_is_away_and_says_why() -> None:
    async def session() -> None:
        with EiBoard(()) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                with pytest.raises(BoardAway, match="ERR: Could not allocate audio buffer"):
                    await driver.listen()

    asyncio.run(session())


def tearing(rng: random.Random) -> Callable[[str], str]:
    """Every fourth result loses some characters in a row, which is what a USB adapter's full buffer does."""

    def torn(text: str) -> str:
        if rng.random() >= 0.25:
            return text
        begins = rng.randrange(len(text))
        return text[:begins] + text[begins + rng.randint(1, 60) :]

    return torn


@pytest.mark.parametrize("results_as", ["old", "new"])
@pytest.mark.parametrize("seed", range(2))
def test_torn_results_are_counted_and_make_no_event(results_as: Literal["old", "new"], seed: int) -> None:
    async def session() -> None:
        heard = Heard()
        rng = random.Random(seed)
        script = [rng.choice((NOISE, YES, NO)) for _ in range(150)]
        with EiBoard(script, results_as, every_s=0.003, mangle=tearing(rng), seed=seed) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: board.said > len(script))
                await until(lambda: len(heard.wrongs) > 5)
                assert driver._link.counts.foreign == {spoken.TORN: heard.wrongs.count(spoken.TORN)}
        assert set(heard.labels) == {"yes", "no"}

    asyncio.run(session())


@pytest.mark.parametrize(("piece_bytes", "piece_s"), [(64, 0.020), (5, 0.0)], ids=["in one go", "without pauses"])
def test_a_board_that_is_told_too_fast_does_not_understand(
    monkeypatch: pytest.MonkeyPatch, piece_bytes: int, piece_s: float
) -> None:
    """Were the pieces larger, or closer together, the peer would show it."""
    monkeypatch.setattr(spoken, "ECHO_S", 0.05)
    monkeypatch.setattr(at, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(at, "PIECE_S", piece_s)
    monkeypatch.setattr(spoken, "ANSWER_S", 0.5)

    async def session() -> None:
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                with pytest.raises(BoardForeign, match=r"AT\+CONFIG"):
                    await driver.identify()
        assert board.lost_bytes > 0

    asyncio.run(session())


@pytest.mark.parametrize("character", [18, 20, 30, 40])
def test_a_command_that_lost_a_character_is_given_again(monkeypatch: pytest.MonkeyPatch, character: int) -> None:
    """`b`, its return and `AT+CONFIG?` are 13 characters; `AT+RUNIMPULSECONT` follows."""
    monkeypatch.setattr(spoken, "ECHO_S", 0.05)

    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION, paced=False) as board:
            board.loses = 5
            async with edge_impulse(board.path, heard, HEARS) as driver:
                assert (await driver.identify()).board == "ESPRESSIF_ESP32"
                board.loses = character - 13
                await driver.listen()
                await until(lambda: bool(heard.events))
        assert board.commands[-1] == "AT+RUNIMPULSECONT"
        assert "AT+RUNIMPULSE" not in board.commands

    asyncio.run(session())


def test_a_run_that_has_stopped_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "STOPPED_S", 0.3)

    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: bool(heard.events))
                board.reboot()
                await until(lambda: not board.running)
                await until(lambda: driver._prompted)
                before = (await driver.pulse()).inferences
                await asyncio.sleep(0.4)
                await driver.pulse()
                assert board.running
                await until(lambda: driver._count > (before or 0))
                await driver.pulse()
        assert heard.wrongs == [spoken.STOPPED]
        assert "Hello from Edge Impulse Device SDK." in heard.texts
        assert board.commands == ["AT+CONFIG?", "AT+RUNIMPULSECONT", "AT+RUNIMPULSECONT"]

    asyncio.run(session())


def test_a_run_without_results_is_begun_again_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "SILENT_S", 0.2)

    async def session() -> None:
        with EiBoard(SESSION, every_s=60.0) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                await driver.listen()
                await driver.pulse()
                await asyncio.sleep(0.3)
                await driver.pulse()
                await asyncio.sleep(0.3)
                with pytest.raises(BoardAway, match="though it was started again"):
                    await driver.pulse()
        assert board.commands.count("AT+RUNIMPULSECONT") == 2

    asyncio.run(session())


def test_a_board_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "SILENT_S", 0.2)
    monkeypatch.setattr(spoken, "PROMPT_S", 0.2)

    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: bool(heard.events))
                board.hang()
                await asyncio.sleep(1.0)
                with pytest.raises(BoardAway, match="does not answer") as away:
                    await driver.pulse()
                assert not isinstance(away.value, BoardForeign)
                with pytest.raises(BoardAway, match="does not answer"):
                    await driver.reset()

    asyncio.run(session())


def test_results_that_take_their_time_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "SILENT_S", 0.1)

    async def session() -> None:
        with EiBoard(SESSION, every_s=0.5) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: driver._count >= 3)
                for _ in range(10):
                    await driver.pulse()
                    await asyncio.sleep(0.05)
        assert board.commands.count("AT+RUNIMPULSECONT") == 1

    asyncio.run(session())


def test_reset_is_a_command_of_some_boards() -> None:
    async def session() -> None:
        with EiBoard(SESSION, resets=True) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                await driver.listen()
                await driver.reset()
                assert board.commands[-1] == "AT+RESET"
                assert not board.running
                assert (await driver.identify()).board == "ESPRESSIF_ESP32"
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                with pytest.raises(BoardAway, match=r"Command not found! \(AT\+RESET\)"):
                    await driver.reset()

    asyncio.run(session())


def test_what_is_no_such_board_is_told_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "PROMPT_S", 0.2)
    monkeypatch.setattr(spoken, "ANSWER_S", 0.2)

    async def session() -> None:
        with EiBoard(SESSION) as board:
            board.hang()
            async with edge_impulse(board.path, Heard()) as driver:
                with pytest.raises(BoardAway, match="nothing answers") as away:
                    await driver.identify()
                assert not isinstance(away.value, BoardForeign)
        with EiBoard(SESSION) as board:
            board.hang()
            async with edge_impulse(board.path, Heard()) as driver:
                asking = asyncio.create_task(driver.identify())
                await asyncio.sleep(0.1)
                board._write(b"temp: 21.5\r\n")
                with pytest.raises(BoardForeign, match="no prompt"):
                    await asking
        with EiBoard(SESSION, config="OK\n") as board:
            async with edge_impulse(board.path, Heard()) as driver:
                with pytest.raises(BoardForeign, match=r"AT\+CONFIG"):
                    await driver.identify()

    asyncio.run(session())


@pytest.mark.parametrize("cut", [1.0, 0.9, 0.8, 0.7])
def test_no_key_and_no_password_goes_anywhere(monkeypatch: pytest.MonkeyPatch, cut: float) -> None:
    """Not even when the answer stalls, and its rest comes when nobody waits for it any longer."""
    monkeypatch.setattr(spoken, "ANSWER_S", 0.3)
    whole = config()
    at_byte = round(len(whole) * cut)

    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION, config=whole[:at_byte]) as board:
            async with edge_impulse(board.path, heard) as driver:
                await driver.identify()
                board._write(whole[at_byte:].encode() + b"Api Key:   " + SECRETS[0].encode() + b"\r\ndone\r\n")
                await until(lambda: "done" in heard.texts)
        said = "\n".join(heard.texts)
        assert "Api Key:   (redacted)" in said
        for secret in SECRETS:
            assert secret not in said
            assert secret[-20:] not in said

    asyncio.run(session())


def test_the_line_in_whose_middle_we_came_goes_nowhere() -> None:
    """It may be the end of a key, which cannot be told from a word."""

    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard) as driver:
                board.print(b"cafe\r\nready\r\n")
                await until(lambda: bool(heard.texts))
                assert heard.texts == ["ready"]
            heard = Heard()
            async with edge_impulse(board.path, heard) as driver:
                driver.take(b"U" * 10_000, 1)
                assert heard.wrongs == ["a line that does not end"]

    asyncio.run(session())


def test_ten_megabytes_without_a_newline_are_survived() -> None:
    async def session() -> None:
        heard = Heard()
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: bool(heard.events))
                board.every_s = 60.0
                data = b"U" * 10_000_000
                for at_byte in range(0, len(data), 4096):  # as `take` gets it, without 25 s of a pty
                    driver.take(data[at_byte : at_byte + 4096], 1)
                driver.take(b"\n", 1)
                assert driver._splitter.dropped_bytes >= 10_000_000
                assert heard.wrongs == ["a line that does not end"]
                assert driver._link.counts.bad == 1
                before = len(heard.events)
                for result in (NOISE, YES):
                    driver.take(new_result(result).encode(), time.monotonic_ns())
                await until(lambda: len(heard.events) > before)
        assert heard.labels[-1] == "yes"

    asyncio.run(session())


def test_events_wait_for_the_disk_in_order_and_keep_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "AGAIN_S", 0.01)

    async def session() -> None:
        heard = Heard(full=True)
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: board.said > len(SESSION))
                await until(lambda: len(driver._handover._waiting) == len(EXPECTED) - 1)
                assert heard.events == []
                heard.full = False
                await until(lambda: len(heard.events) == len(EXPECTED))
        assert told(heard) == EXPECTED
        arrived = [event.arrived_ns or 0 for event in heard.events]
        assert arrived == sorted(arrived)
        assert arrived[1] - arrived[0] > 20_000_000  # three results of 20 ms lie between

    asyncio.run(session())


def test_what_never_finds_room_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MAX_WAITING", 3)
    monkeypatch.setattr(handover, "AGAIN_S", 60.0)
    monkeypatch.setattr(handover, "LAST_S", 0.1)

    async def session() -> None:
        heard = Heard(full=True)
        words = [{**NOISE, "yes": 0.9 + number / 100} for number in range(6)]
        script = [each for word in words for each in (NOISE, word)]
        with EiBoard([*script, NOISE], every_s=0.005) as board:
            async with edge_impulse(board.path, heard, HEARS) as driver:
                await driver.identify()
                await driver.listen()
                await until(lambda: board.said > 12)
                await until(lambda: driver._handover.dropped == 2)  # six events: one is tried, three wait
                assert (await driver.pulse()).dropped == 2
                assert [event.score for event in driver._handover._waiting] == [0.93, 0.94, 0.95], "the oldest go"
                reading = driver._link.counts
        assert reading.foreign == {handover.NOT_STORED: 4}
        assert heard.wrongs == [handover.NOT_STORED] * 4

    asyncio.run(session())


def test_a_board_that_is_unplugged_ends_the_conversation() -> None:
    async def session() -> None:
        with EiBoard(SESSION) as board:
            async with edge_impulse(board.path, Heard()) as driver:
                await driver.identify()
                reading = asyncio.all_tasks() - {asyncio.current_task()}
                board.unplug()
                done, _ = await asyncio.wait(reading, timeout=20, return_when=asyncio.FIRST_EXCEPTION)
                assert any(isinstance(task.exception(), BoardAway) for task in done)
                with pytest.raises(BoardAway, match="lost"):
                    await driver.pulse()

    asyncio.run(session())


# What is said, without a board.


def results(*texts: str) -> list[at.Said]:
    read = at.Results()
    splitter = Splitter(prompt=at.PROMPT)
    found = [each for text in texts for each in splitter.feed(text.encode())]
    return [said for each in found if isinstance(each, Line) for said in read.read(each.text)]


def scored(*texts: str) -> list[dict[str, float]]:
    return [dict(said.scores) for said in results(*texts) if isinstance(said, Scored)]


def torn(*texts: str) -> int:
    return sum(isinstance(said, at.Torn) for said in results(*texts))


def test_a_result_is_told_with_its_last_label() -> None:
    begun = settings(3) + new_result(NO) + new_result(YES)
    assert scored(begun) == [NO, YES]
    assert scored(begun[:-1]) == []
    assert scored(settings(3), old_result(NO), old_result(YES)) == [NO, YES]


def test_the_first_result_is_believed_when_the_second_has_its_labels() -> None:
    torn_label = new_result(YES).replace("_noise", "noise")
    assert scored(settings(3), torn_label, new_result(YES), new_result(NO)) == [YES, NO]
    assert torn(settings(3), torn_label, new_result(YES), new_result(NO)) == 1


def test_without_the_number_of_classes_the_next_result_ends_one() -> None:
    assert scored(old_result(YES), old_result(NO)) == []
    assert scored(old_result(YES), old_result(NO), "Recording\n") == [YES, NO]
    assert scored(old_result(YES), old_result(NO), old_result(YES), old_result(NO)) == [YES, NO, YES, NO]


def test_times_are_read_in_all_their_ways() -> None:
    def times(line: str) -> tuple[float | None, float | None]:
        (said,) = (said for said in results(line + "\n") if isinstance(said, Timed))
        return said.features_ms, said.inference_ms

    assert times("Predictions (DSP: 16 ms., Classification: 1 ms., Anomaly: 2 ms.): ") == (16, 1)
    assert times("Timing: DSP 140 ms, inference 4 ms, anomaly 0 ms") == (140, 4)
    assert times("Timing: DSP 999 us, inference 4 us, anomaly 0 ms") == (0.999, 0.004)
    assert times("Timing: DSP 5911 ms, inference 301 ms, anomaly 0 ms, postprocessing 55 us") == (5911, 301)
    assert times("Timing: DSP 135ms, inference 9ms, anomaly 0ms, postprocessing 1ms") == (135, 9)


def test_what_is_not_whole_is_torn_and_the_next_one_good() -> None:
    known = settings(3) + old_result(NOISE) * 2
    whole = old_result(YES)
    lines = whole.splitlines(keepends=True)
    damaged = ["".join(lines[:lost] + lines[lost + 1 :]) for lost in range(1, 4)]
    damaged += [whole.replace("0.07422", damage) for damage in ("0.0 7422", "7422", "", "x")]
    damaged += [whole.replace("no", damage) for damage in ("yes", "n", "")]
    for each in damaged:
        assert scored(known, each, old_result(NO)) == [NOISE, NOISE, NO], each
        assert torn(known, each, old_result(NO)) == 1, each


def test_other_labels_are_believed_when_they_come_twice() -> None:
    other = {"cat": 0.5, "dog": 0.25, "_noise": 0.25}
    known = settings(3) + new_result(YES) * 2
    assert scored(known, new_result(other), new_result(YES)) == [YES, YES, YES]
    assert torn(known, new_result(other), new_result(YES)) == 1
    assert scored(known, new_result(other), new_result(other)) == [YES, YES, other, other]
    assert torn(known, new_result(other), new_result(other)) == 0


def test_a_wrong_number_of_classes_does_no_lasting_harm() -> None:
    for said in (1, 2, 5):
        found = scored(settings(said), *(old_result(YES) for _ in range(6)))
        assert found[-3:] == [YES] * 3, said


def test_labels_may_be_anything_but_an_anomaly() -> None:
    odd = {"2": 0.5, "ja: wohl": 0.25, "hey jarvis": 0.125, "ümlaut": 0.125}
    assert scored(settings(4), new_result(odd, anomaly=0.9), old_result(odd, anomaly=0.9)) == [odd, odd]


def test_a_model_that_divides_by_zero_says_nothing() -> None:
    text = new_result(YES).replace("0.910160", "nan").replace("0.074220", "-nan")
    assert scored(settings(3), text, text) == [{"_noise": 0.01562, "no": 0.0, "yes": 0.0}] * 2


def test_the_prompt_is_seen_wherever_a_line_begins() -> None:
    splitter = Splitter(prompt=at.PROMPT)
    assert splitter.feed(b"> ") == [Prompt()]
    assert splitter.feed(b"AT+CONFIG?") == []
    assert splitter.unfinished == "AT+CONFIG?"
    assert splitter.feed(b"\r\nID: 1\n>") == [Line("AT+CONFIG?"), Line("ID: 1")]
    assert splitter.feed(b" > x> \n\r> ") == [Prompt(), Prompt(), Line("x> "), Prompt()]


def test_commands_go_in_pieces_of_five_bytes() -> None:
    assert at.pieces("AT+CONFIG?") == [b"AT+CO", b"NFIG?", b"\r"]
    assert at.pieces("b") == [b"b\r"]


def test_who_it_is_needs_no_more_than_a_version() -> None:
    assert at.identity(["===== Device info =====", "AT Version: 1.4.0"]) is not None
    assert at.identity(["AT Version: 1.4.0"]) is None
    found = at.identity(config(microphone=False).splitlines())
    assert found is not None
    assert found.microphone is False


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (f"Api Key:   {SECRETS[0]}", "Api Key:   (redacted)"),
        (f"HMAC key:  {SECRETS[1]}", "HMAC key:  (redacted)"),
        (f"ac key: {SECRETS[1][:7]}", "ac key: (redacted)"),
        ("Password:  correct horse battery", "Password:  (redacted)"),
        (SECRETS[1][5:], "(redacted)"),
        (f"uploading with {SECRETS[0]} now", "uploading with (redacted) now"),
        ("ID:         3C:61:05:11:D6:EC", "ID:         3C:61:05:11:D6:EC"),
        ("0x3fff0030 boot 3c610511d6ec", "0x3fff0030 boot 3c610511d6ec"),
    ],
)
def test_keys_are_taken_out(text: str, safe: str) -> None:
    assert redact(text) == safe


STREAM = (
    settings(3)
    + "".join(old_result(each, anomaly=0.5) for each in SESSION)
    + "I (286) wifi: lost\n\xff\xfe\x00garbage\r\n"
    + "".join(new_result(each) for each in SESSION)
).encode("latin-1")


def events(data: list[bytes]) -> list[tuple[str, float]]:
    splitter, read, judge = Splitter(prompt=at.PROMPT), at.Results(), Judge(HEARS, complete=True)
    said = [
        each
        for piece in data
        for found in splitter.feed(piece)
        if isinstance(found, Line)
        for each in read.read(found.text)
    ]
    scores = (each.scores for each in said if isinstance(each, Scored))
    return [
        (event.label, event.score) for number, each in enumerate(scores) for event in judge.scores(each, at_ms=number)
    ]


@given(st.integers(0, 2**32))
def test_any_pieces_of_a_session_give_the_same_events(seed: int) -> None:
    rng = random.Random(seed)
    whole = events([STREAM])
    assert [label for label, _ in whole] == ["yes", "no", "yes"] * 2
    assert events(list(pieces(STREAM, rng))) == whole
    assert events([bytes([byte]) for byte in STREAM]) == whole


@given(st.binary(max_size=3000), st.integers(0, len(STREAM)), st.integers(0, 200))
def test_whatever_comes_never_raises_and_the_session_goes_on(garbage: bytes, begins: int, lost: int) -> None:
    damaged = STREAM[:begins] + garbage + STREAM[begins + lost :]
    assert events([damaged]) == events([damaged[:77], damaged[77:]])
    after = (new_result(NOISE) + new_result(NOISE) + new_result(NOISE) + new_result(YES) + new_result(NOISE)).encode()
    assert events([damaged + b"\n" + after])[-1:] == [("yes", 0.91016)]
