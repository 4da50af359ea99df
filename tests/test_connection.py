"""Getting in: passwords, certificates, names, old brokers; each refusal is a sentence, and none stops the loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import socket
import time
from typing import TYPE_CHECKING

import pytest
from broker import Broker, OldBroker, free_port
from certs import Authority
from links import WILL, connections, deliver, drafts, eventually, link_to, run, running

from edged import connection
from edged.complaints import Reason, Target, lost
from edged.errors import ConfigError
from edged.mqtt import Link, Tls
from edged.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Literal

pytest_plugins = ("link_fixtures",)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "our-ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "other-ca")


def complaint(peer: Broker | OldBroker, outbox: Outbox, **options: Any) -> str:
    """Try to connect, and give what is said against it."""
    said = []

    async def test() -> None:
        async with running(link_to(peer, outbox, **options)) as link:
            await eventually(lambda: link.why != "not connected yet")
            assert link.state == "away"
            said.append(link.why)

    run(test())
    return said[0]


def delivers(peer: Broker, outbox: Outbox, **options: Any) -> None:
    async def test() -> None:
        async with running(link_to(peer, outbox, **options)) as link:
            await outbox.put(drafts(range(3)))
            await eventually(lambda: outbox.depth == 0)
            assert (link.state, link.why) == ("connected", "")

    run(test())


# --- passwords ---


def test_a_refused_password_is_named_and_its_correction_noticed(
    tmp_path: Path, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(strict: Broker) -> None:
        async with running(link_to(strict, outbox, username="edged", password="geheim")) as link:  # noqa: S106 - the test is about it
            outbox.offer(*drafts(range(5)))
            await eventually(lambda: len([r for r in caplog.records if "password" in r.message]) >= 2)
            assert "geheim" not in caplog.text
            strict.set_users({"edged": "geheim"})
            await connections(link, 1)
            await eventually(lambda: outbox.depth + outbox.waiting == 0)

    caplog.set_level("DEBUG")
    with Broker(tmp_path / "strict", users={"edged": "right"}) as strict:
        run(test(strict))
        where = f"127.0.0.1:{strict.port}"
    said = [(record.levelname, record.message) for record in caplog.records if record.name.startswith("edged.mqtt")]
    assert said[0] == (
        "WARNING",
        f"{where} does not let user 'edged' in; mend mqtt.username or its password, or let that user in there",
    )
    assert said[1] == ("DEBUG", said[0][1])
    assert said[-1] == ("INFO", f"connected to {where} by MQTT 5")


def test_no_user_name_where_one_is_wanted(tmp_path: Path, outbox: Outbox) -> None:
    with Broker(tmp_path / "strict", users={"edged": "right"}) as strict:
        assert "does not let a client without user name in" in complaint(strict, outbox)


# --- certificates ---


def test_a_private_ca(tmp_path: Path, authority: Authority, outbox: Outbox) -> None:
    with Broker(tmp_path / "tls", tls=authority.sign("mqtt.lan", address="127.0.0.1")) as secure:
        delivers(secure, outbox, tls=Tls(ca=authority.file))


def test_the_wrong_ca_is_named(tmp_path: Path, authority: Authority, stranger: Authority, outbox: Outbox) -> None:
    with Broker(tmp_path / "tls", tls=authority.sign("mqtt.lan", address="127.0.0.1")) as secure:
        assert complaint(secure, outbox, tls=Tls(ca=stranger.file)) == (
            f"the certificate of 127.0.0.1:{secure.port} is not signed by the CA in {stranger.file}; "
            "name the CA that signed it in mqtt.tls.ca"
        )
        assert "is not signed by a CA that this system trusts" in complaint(secure, outbox, tls=Tls())


def test_a_certificate_for_another_host(tmp_path: Path, authority: Authority, outbox: Outbox) -> None:
    with Broker(tmp_path / "tls", tls=authority.sign("mqtt.lan")) as secure:
        said = complaint(secure, outbox, tls=Tls(ca=authority.file))
        assert "is for another name" in said
        assert "127.0.0.1" in said
        said = complaint(secure, outbox, host="localhost", tls=Tls(ca=authority.file))
        assert "is for another name" in said
        assert "localhost" in said


@pytest.mark.parametrize(("age_days", "words"), [(40, "has expired"), (-2, "is not valid yet")])
def test_a_certificate_out_of_time(
    tmp_path: Path, authority: Authority, outbox: Outbox, age_days: int, words: str
) -> None:
    certificate = authority.sign("old.lan", address="127.0.0.1", age=dt.timedelta(days=age_days))
    with Broker(tmp_path / "tls", tls=certificate) as secure:
        said = complaint(secure, outbox, tls=Tls(ca=authority.file))
        assert f"{words}, or this machine's clock is wrong" in said


def test_tls_to_a_broker_without(broker: Broker, outbox: Outbox, authority: Authority) -> None:
    said = complaint(broker, outbox, tls=Tls(ca=authority.file))
    assert re.search(r"no TLS connection|does not speak TLS|hung up during the TLS handshake", said)
    assert str(broker.port) in said


def test_no_tls_to_a_broker_with(tmp_path: Path, authority: Authority, outbox: Outbox) -> None:
    with Broker(tmp_path / "tls", tls=authority.sign("mqtt.lan", address="127.0.0.1")) as secure:
        assert "does it want TLS?" in complaint(secure, outbox)


def test_a_certificate_of_our_own(tmp_path: Path, authority: Authority, outbox: Outbox) -> None:
    server, client = authority.sign("mqtt.lan", address="127.0.0.1"), authority.sign("edged-k")
    with Broker(tmp_path / "tls", tls=server, client_ca=authority.file) as secure:
        delivers(secure, outbox, tls=Tls(ca=authority.file, cert=client.cert, key=client.key))
        assert re.search("hung up|client certificate", complaint(secure, outbox, tls=Tls(ca=authority.file)))


def test_port_8883_means_tls(
    tmp_path: Path, authority: Authority, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Broker(tmp_path / "tls", tls=authority.sign("mqtt.lan", address="127.0.0.1")) as secure:
        monkeypatch.setattr("edged.mqtt.TLS_PORT", secure.port)
        assert "is not signed by a CA that this system trusts" in complaint(secure, outbox)


@pytest.mark.parametrize("which", ["ca", "cert", "key"])
def test_files_that_are_no_certificates(tmp_path: Path, authority: Authority, outbox: Outbox, which: str) -> None:
    ours = authority.sign("edged-k")
    bad = tmp_path / "bad.pem"
    bad.write_text("no PEM")
    tls = Tls(**({"ca": authority.file, "cert": ours.cert, "key": ours.key} | {which: bad}))
    with pytest.raises(ConfigError, match=r"cannot be used as a") as refused:
        Link(host="h", port=1883, client_id="c", outbox=outbox, deliver=deliver, will=WILL, tls=tls)
    assert str(bad) in str(refused.value)


# --- nobody there ---


def test_a_host_that_has_no_address(broker: Broker, outbox: Outbox) -> None:
    said = complaint(broker, outbox, host="no-such-host.invalid")
    assert said.startswith("no address is known for the broker's host no-such-host.invalid (")


def test_a_name_that_cannot_be_one(broker: Broker, outbox: Outbox) -> None:
    assert "cannot be reached" in complaint(broker, outbox, host="x" * 300)


def test_nothing_listens(outbox: Outbox, broker: Broker) -> None:
    port = free_port()
    assert complaint(broker, outbox, port=port).startswith(f"nothing listens at 127.0.0.1:{port};")


def test_a_server_that_is_no_broker(broker: Broker, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNACK_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert "says nothing that is MQTT" in complaint(broker, outbox, port=mute.getsockname()[1])


@pytest.mark.usefixtures("impatient")
def test_two_of_one_name_take_turns_and_are_suspected(broker: Broker, outbox: Outbox, tmp_path: Path) -> None:
    async def test(other_outbox: Outbox) -> None:
        async with running(link_to(broker, outbox)) as link, running(link_to(broker, other_outbox)) as other:
            await eventually(lambda: "does another client use the id 'edged-k'?" in link.why + other.why)

    second = Outbox.open(tmp_path / "second.sqlite")
    run(test(second))
    second.close()


def test_the_loop_goes_on_while_a_handshake_hangs(broker: Broker, outbox: Outbox, authority: Authority) -> None:
    lags: list[float] = []

    async def test(port: int) -> None:
        async with running(link_to(broker, outbox, port=port, tls=Tls(ca=authority.file))) as link:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                before = time.monotonic()
                await asyncio.sleep(0.01)
                lags.append(time.monotonic() - before - 0.01)
            assert link.why == "not connected yet", "the handshake must still be hanging"

    with socket.create_server(("127.0.0.1", 0)) as mute:
        run(test(mute.getsockname()[1]))
    assert max(lags) < 0.5


def test_a_broker_that_says_that_we_were_replaced_is_quoted() -> None:
    target = Target(host="h", port=1883, username=None, client_id="edged-k", ca=None, tls=False)
    assert lost(target, Reason.TAKEN_OVER, "session taken over") == (
        "h:1883: another client connected as 'edged-k' and took our place"
    )


# --- old brokers ---


@pytest.mark.parametrize("answer", ["refuse", "refuse-as-3", "hang-up", "mute"])
def test_a_broker_without_mqtt_5(
    outbox: Outbox, answer: Literal["refuse", "refuse-as-3", "hang-up", "mute"], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(old: OldBroker) -> None:
        async with running(link_to(old, outbox)) as link:
            await outbox.put(drafts(range(30)))
            await eventually(lambda: outbox.depth == 0)
            assert (link.state, link.connections) == ("connected", 1)
            old.hang_up()
            await connections(link, 2)

    monkeypatch.setattr(connection, "CONNACK_S", 0.3)
    with OldBroker(answer) as old:
        run(test(old))
        assert old.versions == [5, 4, 4], "3.1.1 is remembered"
        events = [payload for payload in old.published if payload != b"online"]
        assert [int(payload.split(b":")[1]) for payload in events] == list(range(30))


def test_a_broker_that_has_spoken_mqtt_5_is_not_suspected_for_a_silence(broker: Broker, outbox: Outbox) -> None:
    async def test() -> None:
        async with running(link_to(broker, outbox)) as link:
            await connections(link, 1)
            broker.kill()
            with socket.socket() as mute:
                mute.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                mute.bind((broker.host, broker.port))
                mute.listen()
                await eventually(lambda: "says nothing" in link.why)
            await asyncio.to_thread(broker.start)
            await connections(link, 2)
            assert link._dialler._v5_not_before == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "CONNACK_S", 0.3)
        run(test())
