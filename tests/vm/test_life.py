"""The whole life of a host: systemd as PID 1 on Debian's kernel, with Open vSwitch's own datapath,
RabbitMQ, VLANs, a card with VFs, and vif-agent from its package.

One guest, and the tests are its days: each begins where the one before has ended. scripts/test-vm
runs them.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import wait_for
from tests.vm import ports as kinds
from tests.vm.hypervisor import WAIT, Hypervisor
from tests.vm.ports import Plugged

DISK = os.environ.get("VIF_AGENT_VM_DISK", "")
RELEASE = os.environ.get("VIF_AGENT_VM_RELEASE", "bookworm")
pytestmark = pytest.mark.timeout(1800)

Tell = Callable[[str], None]


class Host(Hypervisor):
    """With what the tests have plugged."""

    def __init__(self, image: Path, directory: Path) -> None:
        super().__init__(image, directory, RELEASE)
        self.ports: list[Plugged] = []
        self.bare: set[str] = set()  # what was there before
        self.whole: set[str] = set()

    def ours(self) -> set[str]:
        return self.look() - self.bare

    def of(self, name: str) -> list[Plugged]:
        return [port for port in self.ports if port.kind.name == name]

    def unchanged(self, act: Callable[[], object]) -> float:
        """Nothing is made anew, and all is ready; how long it took."""
        before = self.look(indexes=True)
        began = self.guest.uptime()
        act()
        took = self.guest.uptime() - began
        assert self.look(indexes=True) == before
        self.all_ready()
        return took


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(Path(DISK), tmp_path_factory.mktemp("vm")) as host:
        yield host


@pytest.fixture(scope="module")
def tell(figures: Tell, host: Host) -> Tell:
    began = time.monotonic()
    return lambda text: figures(f"{time.monotonic() - began:6.0f} s  {text}")


def test_boots(host: Host, tell: Tell) -> None:
    host.await_boot()
    kernel = host.guest.run("uname -r")
    tell(f"booted {kernel}: {_times(host)}")
    host.guest.run("ovs-vsctl -t 60 add-br br-int")
    assert "system@ovs-system" in host.guest.run("ovs-appctl dpctl/dump-dps")
    host.guest.wait("ip -4 -o addr show phys0 | grep -q 10.0.3.")
    host.bare = host.look()
    host.join_bus()


def test_handles_upcalls(host: Host) -> None:
    """docs/install.md: not where ovs-vswitchd starts in the kernel's first ten seconds."""
    threads = host.guest.run("cat /proc/$(cat /run/openvswitch/ovs-vswitchd.pid)/task/*/comm")
    assert "handler" in threads


@pytest.mark.parametrize("kind", kinds.NOT_CARRIED)
def test_is_not_carried(kind: str) -> None:
    pytest.skip(kinds.NOT_CARRIED[kind])


def test_plugs_ports_of_all_kinds(host: Host, tell: Tell) -> None:
    host.ports = kinds.plugged(_vfs(host))
    host.plug(host.ports)
    host.whole = host.ours()
    tell(f"{len(host.ports)} ports of {len({port.kind for port in host.ports})} kinds are ready")


def test_flat_networks_bridge_has_the_lease(host: Host) -> None:
    bridge = host.of("bridge, flat")[0].vif["network"]["bridge"]
    assert "10.0.3." in host.guest.run(f"ip -4 -o addr show {bridge}")
    assert "10.0.3." not in host.guest.run("ip -4 -o addr show phys0")
    host.guest.run(f"ping -c 3 -W 20 -I {bridge} 10.0.3.2")


def test_ovs_ports_are_isolated_until_tagged(host: Host) -> None:
    host.start_guests(host.ports)
    one, other = host.of("ovs, hybrid")
    assert not host.probe("crosses", one.end, other.end, one.vif["address"], 2)
    _tag(host)
    host.whole = host.ours()


def test_frames_cross(host: Host, tell: Tell) -> None:
    frames(host, tell)


def test_service_is_restarted(host: Host, tell: Tell) -> None:
    took = host.unchanged(lambda: host.guest.run("systemctl restart vif-agent", 600))
    tell(f"systemctl restart vif-agent: {took:.0f} s, nothing made anew")


def test_agent_is_killed(host: Host, tell: Tell) -> None:
    pid = host.agent("MainPID")

    def kill() -> None:
        host.guest.run(f"kill -KILL {pid}")
        host.restarted(pid)

    tell(f"SIGKILL: ready again after {host.unchanged(kill):.0f} s, nothing made anew")


def test_agent_that_hangs_is_restarted(host: Host, tell: Tell) -> None:
    pid = host.agent("MainPID")

    def hang() -> None:
        host.guest.run(f"kill -STOP {pid}")
        host.restarted(pid)

    took = host.unchanged(hang)
    assert "watchdog" in host.guest.run("journalctl -b -u vif-agent --no-pager -n 200 | tr A-Z a-z")
    tell(f"SIGSTOP, watchdog of 45 s: ready again after {took:.0f} s, nothing made anew")


@pytest.mark.parametrize("unit", ["ovs-vswitchd", "ovsdb-server"])
def test_open_vswitch_is_restarted(unit: str, host: Host, tell: Tell) -> None:
    host.guest.run(f"systemctl restart {unit}", 600)
    wait_for(lambda: host.ours() == host.whole, "all of it", WAIT)
    host.all_ready()
    tell(f"systemctl restart {unit}: all is there")
    frames(host, tell, "ovs")


def test_package_is_upgraded(host: Host, tell: Tell) -> None:
    before = host.guest.run("dpkg-query -W -f '${Version}' vif-agent")
    pid = host.agent("MainPID")

    def upgrade() -> None:
        host.guest.run("dpkg -i --force-confold /root/upgrade.deb", 1200)
        host.restarted(pid)

    took = host.unchanged(upgrade)
    after = host.guest.run("dpkg-query -W -f '${Version}' vif-agent")
    assert after != before
    tell(f"package upgraded from {before} to {after}: {took:.0f} s, nothing made anew")


def test_reboot(host: Host, tell: Tell) -> None:
    host.stop_guests(host.ports)
    before = host.ours()
    host.leave_bus()
    tell(f"before the reboot {len(host.ports)} ports, on the host:")
    _tell_all(before, tell)
    host.guest.reboot()
    back = _await_all(host, before)
    host.await_boot()
    after = host.ours()
    tell("after it, before anybody has asked for a port or said a word on the bus:")
    _tell_all(after, tell)
    assert after == before
    tell(f"seconds from the kernel's start: all of it was there {back:.0f}, {_times(host)}")
    host.join_bus()
    host.all_ready()


def test_frames_cross_after_the_reboot(host: Host, tell: Tell) -> None:
    host.start_guests(host.ports)
    frames(host, tell)


def test_nothing_is_left(host: Host, tell: Tell) -> None:
    host.stop_guests(host.ports)
    _untie_trunk(host)
    host.unplug(host.ports)
    host.guest.wait("ip -4 -o addr show phys0 | grep -q 10.0.3.")
    assert host.look() == host.bare
    host.guest.run("ping -c 3 -W 20 -I phys0 10.0.3.2")
    tell("unplugged: nothing is left, and the flat network's NIC has the host's lease again")
    host.leave_bus()


def frames(host: Host, tell: Tell, only: str = "") -> None:
    """From guest to guest of each kind, and to and from where NIC and card lead."""
    by_kind = itertools.groupby(host.ports, key=lambda port: port.kind.name)
    passed = []
    for name, some in by_kind:
        ports = list(some)
        if name.startswith(only) and len(ports) == 2:
            assert host.crosses(*ports), name
            passed.append(name)
    assert host.crosses(host.of(kinds.TRUNK_KIND)[0], host.of("ovs, the agent's tap")[0])
    passed.append(kinds.TRUNK_KIND)
    for name, (wire, vlan) in WIRES.items():
        if name.startswith(only):
            port = host.of(name)[0]
            assert host.arrives(port, wire) == {vlan}, name
            if "VXLAN" not in name:
                assert host.hears(port, wire, vlan), name
            passed.append(f"{name}, and the wire")
    tell(f"frames have crossed: {'; '.join(passed)}")


WIRES = {
    "bridge, flat": ("flat", 0),
    f"bridge, VLAN {kinds.VLAN}": ("trunk", kinds.VLAN),
    "bridge, VXLAN": ("trunk", 0),
    f"macvtap, VLAN {kinds.MACVTAP_VLAN}": ("trunk", kinds.MACVTAP_VLAN),
    "macvtap, flat": ("trunk", 0),
    f"hw_veb, VLAN {kinds.VF_VLAN}": ("card", kinds.VF_VLAN),
    f"hw_veb, macvtap, VLAN {kinds.VF_MACVTAP_VLAN}": ("card", kinds.VF_MACVTAP_VLAN),
}


def _vfs(host: Host) -> dict[str, str]:
    """PCI address to device, when udev has named them."""
    each = "for vf in /sys/class/net/card0/device/virtfn*"
    host.guest.wait(f"{each}; do ls $vf/net/* >/dev/null || exit 1; done")
    show = "echo $(basename $(readlink $vf)) $(ls $vf/net)"
    shown = host.guest.run(f"{each}; do {show}; done")
    found = dict(line.split() for line in shown.splitlines())
    assert len(found) == 2, shown
    return found


def _tag(host: Host) -> None:
    """As Neutron's agent does, and its trunk driver, which ties a trunk's bridge to br-int."""
    names = [
        "qvo" + port.vif["id"][:11] if "hybrid" in port.kind.name else port.device
        for port in host.ports
        if port.kind.name.startswith("ovs") and port.kind.name != kinds.TRUNK_KIND
    ]
    commands = [f"set port {name} tag=7 -- clear port {name} vlan_mode trunks" for name in names]
    for name, bridge, peer in (("tpt", kinds.TRUNK, "tpi"), ("tpi", "br-int", "tpt")):
        patch = f"set interface {name} type=patch options:peer={peer}"
        commands.append(f"add-port {bridge} {name} -- {patch}")
    host.guest.run(f"ovs-vsctl -t 60 {' -- '.join(commands)} -- set port tpi tag=7")


def _untie_trunk(host: Host) -> None:
    host.guest.run("ovs-vsctl -t 60 del-port tpt -- del-port tpi")


def _times(host: Host) -> str:
    units = ("ovs-vswitchd", "rabbitmq-server", "vif-agent")
    begun = host.since_boot("vif-agent", "ExecMainStartTimestampMonotonic")
    ready = ", ".join(f"{unit} {host.since_boot(unit):.0f}" for unit in units)
    return f"{ready} (begun {begun:.0f})"


def _await_all(host: Host, wanted: set[str]) -> float:
    """Seconds since the kernel's start."""
    missing = wanted
    deadline = time.monotonic() + 900
    while missing and time.monotonic() < deadline:
        at = host.guest.uptime()
        missing = wanted - host.look()
    assert not missing
    return at


def _tell_all(things: set[str], tell: Tell) -> None:
    for thing in sorted(things):
        tell(f"    {thing}")
