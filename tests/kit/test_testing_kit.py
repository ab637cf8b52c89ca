"""The kit against reality: each part is shown to do, and to see, what the other tests rely on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from tests.support.casting import wait_for
from vif_agent.testing.frames import PacketEnd, TapEnd, crosses, frame, stops_crossing
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.netns import fresh_netns
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.rabbit import PrivateRabbit
from vif_agent.testing.watch import WriteWatch

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not shutil.which("ovs-vswitchd"), reason="needs openvswitch-switch"),
    pytest.mark.skipif(not shutil.which("rabbitmqctl"), reason="needs rabbitmq-server"),
]


@pytest.fixture(scope="module")
def netns() -> Iterator[None]:
    with fresh_netns():
        yield


@pytest.fixture(scope="module")
def host(netns: None) -> Iterator[ScratchHost]:
    with ScratchHost(rabbit=True) as host:
        yield host
    assert not host.directory.exists()


@pytest.fixture
def ovs(host: ScratchHost) -> PrivateOvs:
    return host.ovs


@pytest.fixture
def rabbit(host: ScratchHost) -> PrivateRabbit:
    assert host.rabbit
    return host.rabbit


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)


@pytest.fixture
def taps(host: ScratchHost) -> Iterator[tuple[str, str]]:
    """A plain tap and one as libvirt likes it, both up."""
    names = "tap-a", "tap-b"
    for name, flags in zip(names, ([], ["vnet_hdr", "multi_queue"]), strict=True):
        ip("tuntap", "add", "dev", name, "mode", "tap", *flags)
        ip("link", "set", name, "up")
    yield names
    for name in names:
        host.ovs.vsctl("--if-exists", "del-port", name)
        ip("link", "del", name)


def namespace() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def processes_in(directory: Path) -> list[str]:
    """Command lines of all processes whose working directory is in `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(directory):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


# Namespaces


@pytest.mark.usefixtures("netns")
def test_fresh_netns_is_empty_and_left_again() -> None:
    before = namespace()
    with fresh_netns():
        assert namespace() != before
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            socket.create_connection(listener.getsockname(), timeout=1).close()
    assert namespace() == before


def test_isolate_process_has_its_own_sys() -> None:
    code = "import os, vif_agent.testing.netns as n; n.isolate_process(); print(*os.listdir(n))"
    code = code.replace("listdir(n)", "listdir('/sys/class/net')")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["lo"]


# Open vSwitch


def test_ovs_survives_the_death_of_either_daemon(host: ScratchHost, ovs: PrivateOvs) -> None:
    ovs.kill_vswitchd()
    assert "br-int" in host.links()
    ovs.start_vswitchd()
    assert ovs.vsctl("get", "interface", "br-int", "ofport") == "65534\n"
    ovs.stop_vswitchd()
    assert "br-int" not in host.links()
    ovs.start_vswitchd()
    assert "br-int" in host.links()
    ovs.kill_ovsdb()
    with pytest.raises(RuntimeError, match="database connection failed"):
        ovs.vsctl("show")
    ovs.start_ovsdb()
    assert ovs.vsctl("list-br") == "br-int\n"


def test_ovs_stops_and_leaves_nothing(netns: None, tmp_path: Path) -> None:
    with PrivateOvs(tmp_path) as ovs:
        ovs.add_bridge("br-gone")
        assert len(processes_in(tmp_path)) == 2
    assert not processes_in(tmp_path)
    assert "br-gone" not in [name for _, name in socket.if_nameindex()]


# Frames


def test_a_frame_is_padded() -> None:
    data = frame("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", b"hi")
    assert data == b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5hi" + bytes(44)


def test_a_frame_crosses_the_bridge(
    host: ScratchHost, ovs: PrivateOvs, taps: tuple[str, str]
) -> None:
    one, other = taps
    with (
        TapEnd(one, host.own_tun_device()) as a,
        TapEnd(other, multi_queue=True, vnet_hdr=True) as b,
    ):
        assert not crosses(a, b, timeout=0.2)
        for name in taps:
            ovs.vsctl("add-port", "br-int", name)
        assert crosses(a, b)
        assert crosses(b, a)
        ovs.vsctl("set", "port", one, "tag=7", "--", "set", "port", other, "tag=8")
        assert stops_crossing(a, b)


def test_a_frame_crosses_a_veth_pair(host: ScratchHost) -> None:
    ip("link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b")
    for name in ("veth-a", "veth-b"):
        ip("link", "set", name, "up")
    with PacketEnd("veth-a") as a, PacketEnd("veth-b") as b, PacketEnd("veth-a", True) as sniffer:
        assert crosses(a, b)
        assert not crosses(a, a, timeout=0.1)
        assert crosses(a, sniffer)
    ip("link", "del", "veth-a")


def test_a_tap_that_is_not_there_is_not_made(host: ScratchHost) -> None:
    with pytest.raises(OSError, match="no interface"):
        TapEnd("tap-none")
    assert "tap-none" not in host.links()


# RabbitMQ


def amqp(rabbit: PrivateRabbit) -> Any:
    """A kombu connection whose publishing waits until the broker has the message on disk."""
    url = rabbit.url.replace("rabbit://", "amqp://")
    connect: Any = Connection
    return connect(url, transport_options={"confirm_publish": True})


@pytest.mark.broker
def test_a_durable_queue_outlives_the_broker(rabbit: PrivateRabbit) -> None:
    with amqp(rabbit) as connection, connection.SimpleQueue("kit") as queue:
        for number in range(3):
            queue.put(number)
    assert rabbit.queue_length("kit") == 3
    rabbit.kill()
    rabbit.start()
    assert rabbit.queue_length("kit") == 3
    with pytest.raises(LookupError, match="no queue"):
        rabbit.queue_length("none")


@pytest.mark.broker
def test_rabbit_leaves_no_process(host: ScratchHost, rabbit: PrivateRabbit) -> None:
    """The last test of the broker: it is stopped after this. Its children end after it."""
    for end in (rabbit.discard, rabbit.stop):
        if end == rabbit.stop:
            rabbit.start()
        assert processes_in(rabbit.directory)
        end()
        wait_for(lambda: not processes_in(rabbit.directory), "the end of its children")


# The witness of writes


def test_the_watch_sees_links_and_configuration(host: ScratchHost, ovs: PrivateOvs) -> None:
    with WriteWatch(ovs) as watch:
        watch.settle(quiet=0.3)
        ip("link", "add", "br-seen", "type", "bridge")
        assert watch.events() == ["RTM_NEWLINK br-seen"]
        ip("address", "add", "192.0.2.1/24", "dev", "br-seen")
        ip("link", "del", "br-seen")
        assert watch.events()[1:] == [
            "RTM_NEWADDR br-seen",
            "RTM_DELADDR br-seen",
            "RTM_DELLINK br-seen",
        ]
        watch.settle(quiet=0.3)
        ovs.vsctl("--no-wait", "set", "bridge", "br-int", "external_ids:who=me")
        events = watch.events()
        assert events[0] == (
            'OVSDB update Bridge br-int: {"external_ids": ["map", [["who", "me"]]]} [ovs-vsctl]'
        )
        assert all(event.startswith("OVSDB") for event in events)


def test_the_watch_sees_a_port_come_and_go(
    host: ScratchHost, ovs: PrivateOvs, taps: tuple[str, str]
) -> None:
    with WriteWatch(ovs.database) as watch:
        ovs.vsctl("add-port", "br-int", taps[0])
        ovs.vsctl("del-port", taps[0])
        events = watch.events()
    for expected in ("insert Port", "insert Interface", "delete Port", "delete Interface"):
        assert any(event.startswith(f"OVSDB {expected} {taps[0]}") for event in events), events


def test_the_watch_sees_nothing_when_nothing_is_written(
    host: ScratchHost, ovs: PrivateOvs, taps: tuple[str, str]
) -> None:
    ovs.vsctl("add-port", "br-int", taps[0])
    with TapEnd(taps[0]) as tap, WriteWatch(ovs) as watch:
        watch.settle()
        tap.send(frame("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", b"traffic is not a write"))
        ovs.vsctl("--no-wait", "set", "interface", taps[0], "mtu_request=[]")
        time.sleep(2)
        assert watch.events() == []


def test_processes_end_with_who_has_started_them(tmp_path: Path) -> None:
    """A suite that is killed leaves neither brokers nor switches."""
    code = (
        "import os, pathlib, sys, time; from vif_agent.testing import processes;"
        "one = processes.start(('sleep', '600'), os.environ, pathlib.Path(sys.argv[1]));"
        "print(one.pid, flush=True); time.sleep(600)"
    )
    argv = (sys.executable, "-c", code, str(tmp_path / "log"))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as suite:
        assert suite.stdout
        stat = Path("/proc", suite.stdout.readline().strip(), "stat")
        wait_for(lambda: "(sleep)" in stat.read_text(), "the process")
        suite.kill()
    wait_for(lambda: not stat.exists() or ") Z " in stat.read_text(), "its end")
