"""Which serial ports there are, and which one is meant; on trees of sysfs as kernels make them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.mcu import ports
from edged.mcu.ports import Port, absence, find

USB_BUS = "sys/devices/pci0000:00/0000:00:14.0/usb1"


class Machine:
    """A root with sysfs and /dev, of as much as is needed.

    The shapes are those of drivers/usb/class/cdc-acm.c (the tty's device is the interface), drivers/usb/serial/bus.c
    (it is a port below the interface) and drivers/tty/serial/serial_core.c (it is the UART).
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("dev", "sys/class/tty"):
            (root / folder).mkdir(parents=True)

    def _tty(self, name: str, device: Path, *, uart_type: str | None = None) -> Path:
        folder = device / "tty" / name
        folder.mkdir(parents=True)
        (folder / "device").symlink_to(os.path.relpath(device, folder))
        if uart_type is not None:
            (folder / "type").write_text(f"{uart_type}\n")
        (self.root / "sys/class/tty" / name).symlink_to(os.path.relpath(folder, self.root / "sys/class/tty"))
        node = self.root / "dev" / name
        node.touch()
        return node

    def usb(self, location: str, **files: str) -> Path:
        device = self.root / USB_BUS / location
        device.mkdir(parents=True, exist_ok=True)
        for name, said in files.items():
            (device / name).write_text(f"{said}\n")
        return device

    def acm(self, name: str, device: Path, interface: int) -> Path:
        folder = device / f"{device.name}:1.{interface}"
        folder.mkdir()
        (folder / "bInterfaceNumber").write_text(f"{interface:02x}\n")
        return self._tty(name, folder)

    def usb_serial(self, name: str, device: Path, interface: int) -> Path:
        folder = device / f"{device.name}:1.{interface}"
        (folder / name).mkdir(parents=True)
        (folder / "bInterfaceNumber").write_text(f"{interface:02x}\n")
        return self._tty(name, folder / name)

    def uart(self, name: str, uart_type: str) -> Path:
        return self._tty(name, self.root / f"sys/devices/platform/{name}", uart_type=uart_type)

    def by_id(self, name: str, node: Path) -> Path:
        folder = self.root / "dev/serial/by-id"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(os.path.relpath(node, folder))
        return folder / name


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def nano(machine: Machine, name: str, *, location: str = "1-1.4", serial: str = "6E5B1A2C") -> Path:
    device = machine.usb(location, idVendor="2341", idProduct="805a", serial=serial, product="Nano 33 BLE")
    return machine.acm(name, device, 0)


def test_a_board_is_known_by_what_it_says_of_itself(machine: Machine) -> None:
    node = nano(machine, "ttyACM0")
    name = machine.by_id("usb-Arduino_Nano_33_BLE_6E5B1A2C-if00", node)
    assert ports.ports(root=machine.root) == (
        Port(
            path=node, by_id=name, usb_serial="6E5B1A2C", interface=0, vid=0x2341, pid=0x805A, product="Nano 33 BLE",
            location="1-1.4",
        ),
    )  # fmt: skip


def test_a_bridge_is_known_likewise(machine: Machine) -> None:
    device = machine.usb("1-2", idVendor="10c4", idProduct="ea60", serial="0001", product="CP2102")
    node = machine.usb_serial("ttyUSB0", device, 0)
    (port,) = ports.ports(root=machine.root)
    assert port == Port(node, None, "0001", 0, 0x10C4, 0xEA60, "CP2102", "1-2")


def test_a_uart_knows_nothing_and_one_that_is_not_there_is_none(machine: Machine) -> None:
    real = machine.uart("ttyAMA0", "32")
    machine.uart("ttyS0", "0")
    assert ports.ports(root=machine.root) == (Port(real),)


def test_what_is_no_port_is_left_out(machine: Machine) -> None:
    """Consoles, and a port whose device node is gone already."""
    (machine.root / "sys/class/tty/tty0").mkdir()
    (machine.root / "dev/tty0").touch()
    nano(machine, "ttyACM0").unlink()
    assert ports.ports(root=machine.root) == ()


def test_they_are_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 9, 1):
        nano(machine, f"ttyACM{number}", location=f"1-{number}", serial=str(number))
    assert [port.path.name for port in ports.ports(root=machine.root)] == ["ttyACM1", "ttyACM9", "ttyACM10"]


def test_a_machine_without_any_has_none(tmp_path: Path) -> None:
    assert ports.ports(root=tmp_path) == ()
    assert find("usb:1", root=tmp_path) is None


def test_this_machine_can_be_asked() -> None:
    for port in ports.ports():
        assert port.path.is_char_device()


@pytest.mark.parametrize(("name", "major"), [("ttyACM", 166), ("ttyUSB", 188), ("ttyAMA", 204), ("ttyS", 4)])
def test_the_unit_lets_edged_have_every_kind_of_port(name: str, major: int) -> None:
    """The numbers are the kernel's own (Documentation/admin-guide/devices.txt)."""
    for line in Path("/proc/devices").read_text(encoding="utf-8").splitlines():
        if line.endswith(f" {name}"):
            assert int(line.split()[0]) == major
    unit = Path(__file__).parent.parent / "systemd" / "edged.service"
    assert f"DeviceAllow=char-{major} rw" in unit.read_text(encoding="utf-8").splitlines()


# Which one is meant.


def test_a_board_is_found_wherever_it_comes_back(machine: Machine) -> None:
    first = nano(machine, "ttyACM0")
    assert find("usb:6E5B1A2C", root=machine.root) == first
    first.unlink()
    assert find("usb:6E5B1A2C", root=machine.root) is None
    assert absence("usb:6E5B1A2C", root=machine.root) == "no port has the USB serial number 6E5B1A2C"
    again = nano(machine, "ttyACM1", location="1-3")
    assert find("usb:6E5B1A2C", root=machine.root) == again


def test_a_device_with_two_ports_is_meant_by_its_interface(machine: Machine) -> None:
    device = machine.usb("1-1", idVendor="1366", idProduct="1051", serial="000683", product="J-Link")
    second = machine.acm("ttyACM0", device, 2)
    first = machine.acm("ttyACM1", device, 0)
    assert find("usb:000683", root=machine.root) == first
    assert find("usb:000683:0", root=machine.root) == first
    assert find("usb:000683:2", root=machine.root) == second
    assert find("usb:000683:1", root=machine.root) is None


def test_a_serial_number_may_have_colons(machine: Machine) -> None:
    """As ESP32-C3's, which is its MAC."""
    mac = "84:F7:03:AA:BB:11"
    device = machine.usb("1-1", idVendor="303a", idProduct="1001", serial=mac)
    node = machine.acm("ttyACM0", device, 0)
    assert find(f"usb:{mac}", root=machine.root) == node
    assert find(f"usb:{mac}:0", root=machine.root) == node
    assert find("usb:84:F7:03:AA:BB", root=machine.root) is None


def test_no_serial_number_is_nobodys(machine: Machine) -> None:
    machine.usb_serial("ttyUSB0", machine.usb("1-1", idVendor="1a86", idProduct="7523"), 0)
    assert find("usb:", root=machine.root) is None
    assert find("usb::0", root=machine.root) is None


def test_two_of_one_serial_number_are_not_guessed_at(machine: Machine) -> None:
    nano(machine, "ttyACM0", location="1-1", serial="0001")
    nano(machine, "ttyACM1", location="1-2", serial="0001")
    for wanted in ("usb:0001", "usb:0001:0"):
        assert find(wanted, root=machine.root) is None
        why = absence(wanted, root=machine.root)
        assert "ttyACM0 and " in why
        assert "/dev/serial/by-path" in why


def test_a_path_is_what_it_leads_to(machine: Machine) -> None:
    node = nano(machine, "ttyACM0")
    name = machine.by_id("usb-Arduino-if00", node)
    assert find(str(name)) == find(str(node)) == node
    node.unlink()
    assert find(str(name)) is None
    assert absence(str(name)) == f"there is no {name}"
