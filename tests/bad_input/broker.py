"""The broker, its password and its certificates: what must be mended first, and what is waited for."""

from __future__ import annotations

from typing import Any

from certs import Authority

from bad_input.case import Make, Refused, Waits
from bad_input.config import CHECK, toml
from bad_input.scene import MQTT, SOURCE, TOP, Scene

TLS = "[mqtt.tls]\n"


def mqtt(lines: str) -> Make:
    """Make the good config with more lines in [mqtt]."""
    return toml(TOP + MQTT + lines + SOURCE)


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=make, typed=answer.pop("typed", CHECK), file="edged.toml", **answer)


def password_file(content: str | bytes, *, mode: int) -> Make:
    def make(scene: Scene) -> None:
        mqtt('username = "edged"\npassword_file = "password"\n')(scene)
        scene.write("password", content, mode=mode)

    return make


def pem(lines: str, **files: str) -> Make:
    def make(scene: Scene) -> None:
        mqtt(TLS + lines)(scene)
        for name, content in files.items():
            scene.write(f"{name}.pem", content)

    return make


REFUSED: tuple[Refused, ...] = (
    refused(
        "password-in-file",
        "the password itself stands in the config",
        mqtt('username = "edged"\npassword = "tell-nobody"\n'),
        key="mqtt.password",
        what="has no place in this file",
        way_out="password_credential, password_file or password_env",
    ),
    refused(
        "password-places",
        "two places for the password",
        mqtt('username = "edged"\npassword_file = "a"\npassword_env = "B"\n'),
        key="mqtt.password_env",
        what="beside password_file",
        way_out="Leave one of them out",
    ),
    refused(
        "password-open",
        "every user of the machine can read the password",
        password_file("tell-nobody\n", mode=0o644),
        key="mqtt.password_file",
        value="'password'",
        way_out="chmod o= password",
    ),
    refused(
        "password-no-file",
        "the password's file is not there",
        mqtt('username = "edged"\npassword_file = "password"\n'),
        key="mqtt.password_file",
        value="'password'",
        what="no such file",
        way_out="Name a file that edged may read",
    ),
    refused(
        "password-empty",
        "the password's file is empty",
        password_file("", mode=0o600),
        key="mqtt.password_file",
        value="'password'",
        way_out="Write the password into it",
    ),
    refused(
        "password-env",
        "the password's variable is not set",
        mqtt('username = "edged"\npassword_env = "EDGED_NO_SUCH"\n'),
        key="mqtt.password_env",
        value="'EDGED_NO_SUCH'",
        way_out="Set it for the service",
    ),
    refused(
        "password-credential",
        "systemd gives no such credential",
        mqtt('username = "edged"\npassword_credential = "mqtt.password"\n'),
        key="mqtt.password_credential",
        value="'mqtt.password'",
        way_out="Add LoadCredential=mqtt.password:",
    ),
    refused(
        "password-no-user",
        "a password without a user",
        mqtt('password_env = "HOME"\n'),
        key="mqtt.username",
        what="is missing beside a password",
        way_out="Add the user's name",
    ),
    refused(
        "ca-missing",
        "the CA's file is not there",
        pem('ca = "ca.pem"\n'),
        key="mqtt.tls.ca",
        value="'ca.pem'",
        what="no such file",
        way_out="Name the PEM file of the CA",
    ),
    refused(
        "ca-missing-run",
        "the CA's file is not there, and the daemon is started",
        pem('ca = "ca.pem"\n'),
        typed="edged run --config edged.toml",
        key="mqtt.tls.ca",
        value="'ca.pem'",
        what="no such file",
        way_out="Name the PEM file of the CA",
    ),
    refused(
        "ca-not-pem",
        "the CA's file holds no certificate",
        pem('ca = "ca.pem"\n', ca="hello\n"),
        key="mqtt.tls.ca",
        value="'ca.pem'",
        way_out="Name the PEM file of the CA",
    ),
    refused(
        "cert-missing",
        "our own certificate is not there",
        pem('cert = "our.pem"\n'),
        key="mqtt.tls.cert",
        value="'our.pem'",
        what="no such file",
        way_out="Name the PEM files of a certificate and its key",
    ),
    refused(
        "key-alone",
        "a key without a certificate",
        pem('key = "our.pem"\n'),
        key="mqtt.tls.key",
        value="our.pem",
        way_out="Give cert too, or leave key out",
    ),
)


def at_broker(lines: str = "", *, host: str = "127.0.0.1", env: dict[str, str] | None = None, **how: Any) -> Make:
    """Start a broker, and make a config that leads there."""

    def make(scene: Scene) -> None:
        port = scene.mosquitto(**how).port
        scene.env |= env or {}
        scene.config(TOP + f'[mqtt]\nhost = "{host}"\nport = {port}\n{lines}' + SOURCE)

    return make


def other_password(scene: Scene) -> None:
    at_broker(
        'username = "edged"\npassword_env = "EDGED_PASSWORD"\n',
        env={"EDGED_PASSWORD": "wrong"},
        users={"edged": "right"},
    )(scene)


def right_password(scene: Scene) -> None:
    assert scene.broker is not None
    scene.broker.set_users({"edged": "wrong"})


def certificate(name: str, *, ours: str = "ours", theirs: str = "ours") -> Make:
    """Start a broker with a certificate for `name`, signed by the CA `theirs`, while the config names the CA `ours`."""

    def make(scene: Scene) -> None:
        authorities = {each: Authority(scene.folder, each) for each in {ours, theirs}}
        at_broker(f'[mqtt.tls]\nca = "{ours}.crt"\n', host="localhost", tls=authorities[theirs].sign(name))(scene)

    return make


def away(scene: Scene) -> None:
    at_broker()(scene)
    assert scene.broker is not None
    scene.broker.stop()


def back(scene: Scene) -> None:
    assert scene.broker is not None
    scene.broker.start()


WAITS: tuple[Waits, ...] = (
    Waits(
        name="broker-away",
        wrong="no broker listens there",
        make=away,
        says="is the broker running, and mqtt.port right?",
        status="broker   away: nothing listens at 127.0.0.1:",
        mend=back,
        then="connected to 127.0.0.1:",
    ),
    Waits(
        name="broker-password",
        wrong="the broker refuses the password",
        make=other_password,
        says="does not let user 'edged' in; mend mqtt.username or its password",
        status="does not let user 'edged' in",
        mend=right_password,
        then="connected to 127.0.0.1:",
    ),
    Waits(
        name="broker-no-user",
        wrong="the broker wants a user and none is given",
        make=at_broker(users={"edged": "right"}),
        says="without user name in; give mqtt.username and a password",
        status="a client without user name",
    ),
    Waits(
        name="broker-ca",
        wrong="the broker's certificate is signed by another CA",
        make=certificate("localhost", theirs="theirs"),
        says="ours.crt; name the CA that signed it in mqtt.tls.ca",
        status="is not signed by the CA in",
    ),
    Waits(
        name="broker-name",
        wrong="the broker's certificate is for another name",
        make=certificate("elsewhere"),
        says="give mqtt.host the name that stands in it",
        status="is for another name",
    ),
    Waits(
        name="broker-no-tls",
        wrong="the broker speaks no TLS",
        make=at_broker("[mqtt.tls]\n"),
        says="or no TLS?",
        status="hung up during the TLS handshake",
    ),
    Waits(
        name="broker-unknown",
        wrong="nobody knows the broker's host name",
        make=toml(TOP + '[mqtt]\nhost = "no-such-host.invalid"\n' + SOURCE),
        says="is mqtt.host right?",
        status="no address is known",
    ),
)
