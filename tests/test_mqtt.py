"""The link against real brokers: away, restarting, refusing, forgetting, and not listening."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broker import Broker, Proxy, free_port
from links import (
    EVENTS,
    FAREWELL,
    STATUS,
    WILL,
    connections,
    deliver,
    drafts,
    eventually,
    first_arrivals,
    link_to,
    more_came,
    numbers,
    run,
    running,
    state,
)

from edged.connection import IN_FLIGHT
from edged.mqtt import Link
from edged.records import Draft, Publication

if TYPE_CHECKING:
    from broker import Subscriber

    from edged.outbox import Outbox

pytest_plugins = ("link_fixtures",)

# --- delivery ---


def test_events_arrive_in_order_and_leave_the_outbox(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber) -> None:
        await outbox.put(drafts(range(300)))
        async with running(link_to(broker, outbox)) as link:
            await eventually(lambda: len(subscriber.messages) >= 301)
            outbox.offer(*drafts(range(300, 400)))
            await eventually(lambda: outbox.depth == 0 and len(subscriber.messages) >= 401)
            assert (link.state, link.why, link.unheard, link.reconnects) == ("connected", "", 0, 0)

    with broker.subscriber() as subscriber:
        run(test(subscriber))
        assert numbers(subscriber.messages) == list(range(400))
        assert subscriber.messages[0].topic == STATUS
        assert dict(subscriber.messages[1].properties) == {"id": "1"}
        assert not any(message.retain for message in subscriber.messages)


def test_a_broker_that_is_away_at_the_start_and_restarts_twice(tmp_path: Path, outbox: Outbox) -> None:
    async def test(broker: Broker) -> None:
        async with running(link_to(broker, outbox)) as link:
            outbox.offer(*drafts(range(100)))
            await eventually(lambda: "nothing listens" in link.why)
            await asyncio.to_thread(broker.start)
            for restart in (1, 2):
                await connections(link, restart)
                outbox.offer(*drafts(range(restart * 100, restart * 100 + 100)))
                await asyncio.to_thread(broker.restart, away_s=0.3)
            await connections(link, 3)
            outbox.offer(*drafts(range(300, 310)))
            await eventually(lambda: outbox.depth + outbox.waiting == 0)

    with Broker(tmp_path / "persistent", persistent=True) as keeper:
        keeper.subscriber(EVENTS, name="keeper").__exit__()  # from now on the broker keeps what comes for it
        keeper.stop()
        run(test(keeper))
        with keeper.subscriber(EVENTS, name="keeper") as subscriber:
            subscriber.wait_for_count(310)
            assert first_arrivals(subscriber.messages) == list(range(310))


@pytest.mark.usefixtures("impatient")
def test_pubacks_lost_on_the_way_make_duplicates_not_gaps(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber, proxy: Proxy) -> None:
        async with running(link_to(proxy, outbox)) as link:
            for cut in range(10):
                await connections(link, cut + 1)
                proxy.deaf = cut % 2 == 0
                outbox.offer(*drafts(range(cut * 20, cut * 20 + 20)))
                await more_came(subscriber)
                proxy.cut()
                proxy.deaf = False
            await eventually(lambda: outbox.depth + outbox.waiting == 0)

    with broker.subscriber(EVENTS) as subscriber, Proxy(broker) as proxy:
        run(test(subscriber, proxy))
        assert first_arrivals(subscriber.messages) == list(range(200))
        assert len(subscriber.messages) > 200, "the test must have lost PUBACKs"
        ids = {message.payload.split(b":")[0] for message in subscriber.messages}
        assert len(ids) == 200


def test_throughput_of_a_backlog(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        for first in range(0, 5000, 500):
            await outbox.put(drafts(range(first, first + 500)))
        before_s, cpu_s = time.perf_counter(), time.process_time()
        async with running(link_to(broker, outbox)):
            await eventually(lambda: outbox.depth == 0)
        took_s, cpu_s = time.perf_counter() - before_s, time.process_time() - cpu_s
        print(f"backlog: {5000 / took_s:.0f} events/s, {cpu_s / 5000 * 1e6:.0f} us of CPU each")  # noqa: T201 - to be read

    run(test())


def test_no_more_than_so_many_are_on_their_way(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber, proxy: Proxy) -> None:
        async with running(link_to(proxy, outbox)) as link:
            await eventually(lambda: link.state == "connected" and not link._flying)
            proxy.deaf = True
            await outbox.put(drafts(range(200)))
            await eventually(lambda: len(subscriber.messages) >= IN_FLIGHT)
            await asyncio.sleep(0.2)  # to give what must not come the time to come
            assert numbers(subscriber.messages) == list(range(IN_FLIGHT))
            proxy.deaf = False
            proxy.cut()
            await eventually(lambda: outbox.depth == 0)

    with broker.subscriber(EVENTS) as subscriber, Proxy(broker) as proxy:
        run(test(subscriber, proxy))
        assert numbers(subscriber.messages) == [*range(IN_FLIGHT), *range(200)]


def test_nobody_listening_is_counted(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        async with running(link_to(broker, outbox)) as link:
            await outbox.put(drafts(range(7)))
            await eventually(lambda: outbox.depth == 0)
            assert link.unheard == 7

    run(test())


def test_an_event_that_no_broker_can_take_does_not_block_the_others(tmp_path: Path, outbox: Outbox) -> None:
    async def test(broker: Broker) -> None:
        async with running(link_to(broker, outbox)) as link:
            huge = Draft(stream="mic/m", topic=EVENTS, body=b"1:" + b"x" * 5000)
            damaged = Draft(stream="mic/m", topic=EVENTS, body=b"damaged")
            wildcard = drafts(range(2, 3), topic="edged/+")
            await outbox.put([*drafts(range(1)), huge, damaged, *wildcard, *drafts(range(3, 4))])
            await eventually(lambda: outbox.depth == 0)
            assert link.unsendable == 3

    with (
        Broker(tmp_path / "small", settings=("max_packet_size 1000",)) as small,
        small.subscriber(EVENTS) as subscriber,
    ):
        run(test(small))
        subscriber.wait_for_count(2)
        assert numbers(subscriber.messages) == [0, 3]


def test_retained_state_that_no_broker_can_take_does_not_end_the_link(tmp_path: Path, outbox: Outbox) -> None:
    async def test(broker: Broker) -> None:
        async with running(link_to(broker, outbox)) as link:
            link.retain(state("health", "x" * 5000))
            link.retain(state("sound/mic/state", "hearing"))
            await eventually(lambda: "can never take what is said on edged/k/health" in link.why)
            await outbox.put(drafts(range(1)))
            await eventually(lambda: outbox.depth == 0)
            assert link.reconnects == 0

    with (
        Broker(tmp_path / "small", settings=("max_packet_size 1000",)) as small,
        small.subscriber("edged/k/sound/mic/state") as subscriber,
    ):
        run(test(small))
        subscriber.wait_for_count(1)


def test_what_the_broker_refuses_for_now_is_kept_and_sent_later(
    tmp_path: Path, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    everything = "topic readwrite #\n"
    nothing = "topic readwrite other/#\n"

    async def test(strict: Broker) -> None:
        async with running(link_to(strict, outbox)) as link:
            await outbox.put(drafts(range(30)))
            await eventually(lambda: "refuses events" in link.why)
            assert EVENTS in link.why
            assert "Not authorized" in link.why
            await outbox.put(drafts(range(30, 60)))
            await eventually(lambda: link._patience._next_s > 2)
            strict.set_acl(everything)
            await eventually(lambda: outbox.depth == 0)
            assert (link.why, link.reconnects) == ("", 0)

    with Broker(tmp_path / "strict", acl=everything) as strict, strict.subscriber(EVENTS) as subscriber:
        strict.set_acl(nothing)
        run(test(strict))
        subscriber.wait_for_count(60)
        assert numbers(subscriber.messages) == list(range(60))
    said = [record for record in caplog.records if "refuses events" in record.message]
    assert [record.levelno for record in said].count(logging.WARNING) == 1


# --- retained state ---


def test_a_broker_without_memory_is_told_everything_again(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        async with running(link_to(broker, outbox)) as link:
            for number in range(50):
                link.retain(state(f"sound/mic/m/{number}", "OFF"))
            link.retain(state("sound/mic/state", "absent"))
            link.retain(state("sound/mic/state", "hearing"))
            with broker.subscriber() as live:
                await eventually(lambda: {m.topic: m.payload for m in live.messages}.get(HEARING) == b"hearing")
            await asyncio.to_thread(broker.kill)
            link.retain(state("sound/mic/m/7", "ON"))
            await asyncio.to_thread(broker.start)
            await eventually(lambda: link.reconnects == 1 and not link._unsent and not link._flying)

    run(test())
    with broker.subscriber("edged/k/#") as late:
        late.wait_for_count(52)
        said = {message.topic: message.payload for message in late.messages if message.retain}
    assert len(said) == 52
    assert said[HEARING] == b"hearing"
    assert said["edged/k/sound/mic/m/7"] == b"ON"
    assert said[STATUS] == b"online"


HEARING = "edged/k/sound/mic/state"


def test_an_empty_payload_clears_a_topic_for_good(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        async with running(link_to(broker, outbox)) as link:
            link.retain(state("sound/gone/state", "hearing"))
            await eventually(lambda: not link._unsent and not link._flying)
            link.retain(state("sound/gone/state", ""))
            await eventually(lambda: "edged/k/sound/gone/state" not in link._retained)

    run(test())
    with broker.subscriber("edged/k/#") as late:
        late.wait_for_count(1)
        assert [message.topic for message in late.messages] == [STATUS]


def test_health_expires(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber) -> None:
        async with running(link_to(broker, outbox)) as link:
            link.retain(Publication(topic="edged/k/health", payload=b"{}", retain=True, expiry_s=90))
            await eventually(lambda: len(subscriber.messages) == 1)

    with broker.subscriber("edged/k/health") as subscriber:
        run(test(subscriber))
        assert subscriber.messages[0].expiry_s == 90


# --- coming and going ---


def test_what_is_said_for_now_arrives_now_or_is_counted(broker: Broker, outbox: Outbox) -> None:
    def line(number: int) -> Publication:
        return Publication("edged/test/mcu/cellar/log", f"{number}".encode(), qos=0)

    async def test(subscriber: Subscriber) -> None:
        link = link_to(broker, outbox)
        link.say(line(0))
        assert link.unsaid == 1
        async with running(link):
            await connections(link, 1)
            link.say(line(1))
            link.say(line(2))
            await eventually(lambda: len(subscriber.messages) == 2)
            await asyncio.to_thread(broker.restart, away_s=0.1)
            await connections(link, 2)
            assert link.unsaid == 1
            await eventually(lambda: link.state == "connected")
        link.say(line(3))
        assert link.unsaid == 2

    with broker.subscriber("edged/test/mcu/#") as subscriber:
        run(test(subscriber))
        assert [(message.payload, message.retain) for message in subscriber.messages] == [(b"1", False), (b"2", False)]


def test_a_line_that_no_broker_takes_is_counted(tmp_path: Path, outbox: Outbox) -> None:
    async def test(small: Broker) -> None:
        async with running(link_to(small, outbox)) as link:
            await connections(link, 1)
            link.say(Publication("edged/test/mcu/cellar/log", b"x" * 3000, qos=0))
            assert link.unsaid == 1

    with Broker(tmp_path / "small", settings=("max_packet_size 1000",)) as small:
        run(test(small))


def test_a_broker_that_does_not_read_is_not_fed_lines(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        async with running(link_to(broker, outbox)) as link:
            await connections(link, 1)
            broker.freeze()
            for _ in range(1000):
                link.say(Publication("edged/test/mcu/cellar/log", bytes(100_000), qos=0))
                await asyncio.sleep(0)
            broker.thaw()
            assert link.unsaid > 500

    run(test())


def test_the_will_speaks_when_edged_is_killed(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber) -> None:
        async with running(link_to(broker, outbox)):
            await eventually(lambda: subscriber.payloads(STATUS) == [b"online"])

    with broker.subscriber() as subscriber:
        run(test(subscriber))
        subscriber.wait_for_count(2, within_s=6)
        assert subscriber.payloads(STATUS) == [b"online", WILL.payload]


def test_a_short_break_is_not_announced_as_a_death(broker: Broker, outbox: Outbox) -> None:
    async def test(subscriber: Subscriber, proxy: Proxy) -> None:
        async with running(link_to(proxy, outbox)) as link:
            await eventually(lambda: subscriber.payloads(STATUS) == [b"online"])
            proxy.cut()
            await eventually(lambda: link.reconnects == 1)
            await eventually(lambda: len(subscriber.messages) == 2)
            await asyncio.sleep(2.5)  # longer than the will is delayed
            assert subscriber.payloads(STATUS) == [b"online", b"online"]

    with broker.subscriber() as subscriber, Proxy(broker) as proxy:
        run(test(subscriber, proxy))


def test_stopping_sends_what_is_stored_and_says_goodbye(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        link = link_to(broker, outbox)
        async with running(link):
            await eventually(lambda: link.state == "connected")
            outbox.offer(*drafts(range(500)))
            await link.stop(10, farewell=FAREWELL)
            assert link.state == "away"
            assert outbox.depth + outbox.waiting == 0

    with broker.subscriber() as subscriber:
        run(test())
        subscriber.wait_for_count(502)
        assert numbers(subscriber.messages) == list(range(500))
        assert subscriber.messages[-1].payload == FAREWELL.payload
        time.sleep(2.5)  # longer than the will is delayed
        assert WILL.payload not in subscriber.payloads()


def test_stopping_is_bounded(broker: Broker, outbox: Outbox) -> None:
    async def test(proxy: Proxy) -> None:
        link = link_to(proxy, outbox)
        async with running(link):
            await eventually(lambda: link.state == "connected")
            proxy.deaf = True
            outbox.offer(*drafts(range(500)))
            began = time.monotonic()
            await link.stop(2, farewell=FAREWELL)
            assert 0.9 < time.monotonic() - began < 6

    with broker.subscriber(STATUS) as subscriber, Proxy(broker) as proxy:
        run(test(proxy))
        subscriber.wait_for(lambda messages: messages[-1].payload == WILL.payload, within_s=6)


def test_stopping_without_a_broker_is_quick(outbox: Outbox) -> None:
    async def test() -> None:
        link = Link(host="127.0.0.1", port=free_port(), client_id="c", outbox=outbox, deliver=deliver, will=WILL)
        async with running(link):
            await eventually(lambda: "nothing listens" in link.why)
            began = time.monotonic()
            await link.stop(5, farewell=FAREWELL)
            assert time.monotonic() - began < 1

    run(test())


@pytest.mark.usefixtures("impatient")
def test_many_breaks_leave_nothing_behind(broker: Broker, outbox: Outbox) -> None:
    async def test(proxy: Proxy) -> None:
        async with running(link_to(proxy, outbox)) as link:
            await eventually(lambda: link.state == "connected")
            counts = []
            for _ in range(3):
                for _ in range(10):
                    before = link.connections
                    proxy.cut()
                    await connections(link, before + 1)
                gc.collect()
                counts.append(descriptors_to(proxy.port))
            assert counts == [1, 1, 1]

    with Proxy(broker) as proxy:
        run(test(proxy))


def descriptors_to(port: int) -> int:
    """Count this process's descriptors that are connected to a port."""
    found = 0
    for name in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name.name))) as sock:
            found += sock.family == socket.AF_INET and sock.getpeername()[1] == port
    return found
