"""Each vif_type with a vendor's command on the real host, and the rarer kinds of command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.support.real_host import Ports, Vif, all_plugins, everything, ip, links, real_host
from tests.support.standins import Standins
from tests.support.vendors import RUNS
from vif_agent.host.real import RealHost
from vif_agent.plugins.base import Plugin
from vif_agent.ports.port import PLUG, Port
from vif_agent.ports.store import Store
from vif_agent.resources import Command, Device, OvsPort, Resource
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.vif import Vif as Parsed

Load = Callable[[str], Vif]

#: a stand-in for a program that makes a device
MAKES = """\
case "$1" in
add) ip tuntap add dev "$2" mode tap;;
del) ip link del dev "$2";;
esac
"""
#: 6WIND's forms: the linux bridge that the device is in, and the OVS ports
FORMS = {
    "vhostuser_fp_ovs": (None, ["tapfdaa2580-1c"]),
    "vhostuser_fp_hybrid": ("qbr38952f14-74", ["qvo38952f14-74"]),
    "vhostuser_fp_bridge": ("brqb5d653d0-2f", []),
}
VERBS = ("plug", "unplug", "check")


class Lasting(Plugin):
    """There is nothing by which its command could be undone."""

    def resources(self, vif: Parsed) -> Sequence[Resource]:
        return (Command(plug=("checked", "plug", vif.port_id)),)


class Checked(Plugin):
    """Its command has a check."""

    def resources(self, vif: Parsed) -> Sequence[Resource]:
        plug, unplug, check = (("checked", verb, vif.port_id) for verb in VERBS)
        return (Command(plug=plug, unplug=unplug, check=check),)


class Made(Plugin):
    """Its command makes the device, which becomes an OVS port."""

    def resources(self, vif: Parsed) -> Sequence[Resource]:
        name = str(vif.devname)
        return (
            Command(plug=("fp", "add", name), unplug=("fp", "del", name), about=name, makes=True),
            Device(name=name, mtu=1400, up=True, by_sender=True),
            OvsPort(name=name, bridge="br-int", external_ids=(("iface-id", vif.port_id),)),
        )


@pytest.fixture
def ports(scratch: ScratchHost, standins: Standins, store: Store) -> Iterator[Ports]:
    with real_host(scratch, limits=standins.limits()) as host:
        yield _ports(host, store)


def _ports(host: RealHost, store: Store) -> Ports:
    others = {"checked": Checked(), "made": Made(), "lasting": Lasting()}
    return Ports(host, store, {**all_plugins(), **others})


def _states(reported: Sequence[Port]) -> list[str]:
    return [port.state for port in reported]


def _looked(ports: Ports, *ids: str) -> list[str]:
    return _states(list(ports.reconcile({*ids}).values()))


@pytest.mark.parametrize("name", RUNS)
def test_command_is_run_once_and_undone_once(
    name: str, ports: Ports, standins: Standins, payload: Load, ovs: PrivateOvs
) -> None:
    """After its device is there, and before it goes."""
    before, vif = everything(ovs), payload(name)
    for expected in (RUNS[name].plug, []):
        assert _states(ports.plug(vif)) == ["ready"]
        assert standins.ran() == expected
    for expected in (RUNS[name].unplug, []):
        assert _states(ports.unplug(vif)) == ["unplugged"]
        assert standins.ran() == expected
    assert everything(ovs) == before


@pytest.mark.parametrize("name", RUNS)
def test_request_that_changes_nothing_of_a_command_runs_nothing(
    name: str, ports: Ports, standins: Standins, payload: Load
) -> None:
    """nova says ``active`` of a port only when its guest runs: at its own start it says it again,
    and differently. And the next look, whatever brings it, runs nothing either."""
    vif = payload(name)
    ports.plug(vif)
    standins.ran()
    assert _states(ports.plug({**vif, "active": not vif["active"]})) == ["ready"]
    ports.reconcile({vif["id"]})
    assert standins.ran() == []


def test_command_that_cannot_be_undone_is_run_again_by_the_next_plug(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    vif = {**payload("tap"), "type": "lasting"}
    for _ in range(2):
        assert _states(ports.plug(vif)) == ["ready"]
        assert standins.ran() == [f"checked plug {vif['id']}"]
        assert _states(ports.unplug(vif)) == ["unplugged"]
        assert standins.ran() == []


class TestCheck:
    """Of a command with a check its exit status says whether it is done."""

    KEEPS = (
        '[ "$1" = check ] && [ ! -e "$here/bound" ] && exit 1; '
        'case "$1" in plug) touch "$here/bound";; unplug) rm "$here/bound";; esac'
    )

    @pytest.fixture
    def vif(self, payload: Load, standins: Standins) -> Vif:
        standins.then(self.KEEPS)
        return {**payload("tap"), "type": "checked"}

    @pytest.fixture
    def doubting(self, scratch: ScratchHost, standins: Standins, store: Store) -> Iterator[Ports]:
        """An answer counts once."""
        with real_host(scratch, limits=standins.limits(check_lasts=0)) as host:
            yield _ports(host, store)

    def test_what_is_done_already_is_not_run(
        self, ports: Ports, standins: Standins, vif: Vif
    ) -> None:
        (standins.directory / "bound").touch()
        assert _states(ports.plug(vif)) == ["ready"]
        assert standins.ran() == [f"checked check {vif['id']}"]

    def test_answer_counts_for_a_while(self, ports: Ports, standins: Standins, vif: Vif) -> None:
        ports.plug(vif)
        assert standins.ran() == [f"checked {verb} {vif['id']}" for verb in ("check", "plug")]
        for _ in range(3):
            ports.plug(vif)
        assert standins.ran() == []

    def test_dry_run_says_what_is_to_be_run_and_runs_not_even_the_check(
        self, doubting: Ports, standins: Standins, store: Store, vif: Vif
    ) -> None:
        doubting.request(PLUG, vif)
        (port,) = store.ports().values()
        assert doubting.engine.dry_run([port]).render() == f"connect: run checked plug {vif['id']}"
        assert standins.ran() == []
        doubting.reconcile({vif["id"]})
        standins.ran()
        (port,) = store.ports().values()
        plan, unready = doubting.engine.check(port)
        assert (plan.render(), unready) == ("nothing to do", {})
        assert standins.ran() == []

    def test_what_the_vendor_has_lost_is_run_again(
        self, doubting: Ports, standins: Standins, vif: Vif
    ) -> None:
        doubting.plug(vif)
        (standins.directory / "bound").unlink()
        standins.ran()
        doubting.reconcile({vif["id"]})
        assert (standins.directory / "bound").exists()
        assert f"checked plug {vif['id']}" in standins.ran()

    def test_undone_by_others_is_not_undone_again(
        self, doubting: Ports, standins: Standins, vif: Vif
    ) -> None:
        doubting.plug(vif)
        (standins.directory / "bound").unlink()
        standins.ran()
        assert _states(doubting.unplug(vif)) == ["unplugged"]
        assert {line.split()[1] for line in standins.ran()} == {"check"}


class TestMade:
    """A command that makes its device: before all else of the port, and undone after it."""

    @pytest.fixture
    def vif(self, payload: Load, standins: Standins) -> Vif:
        standins.then(MAKES)
        return {**payload("tap"), "type": "made"}

    def test_plug_and_unplug(
        self, ports: Ports, standins: Standins, vif: Vif, ovs: PrivateOvs
    ) -> None:
        before = everything(ovs)
        for expected in ([f"fp add {vif['devname']}"], []):
            assert _states(ports.plug(vif)) == ["ready"]
            assert standins.ran() == expected
        assert links()[vif["devname"]]["mtu"] == 1400
        assert vif["devname"] in ovs.vsctl("list-ports", "br-int").split()
        for expected in ([f"fp del {vif['devname']} | {vif['devname']}"], []):
            assert _states(ports.unplug(vif)) == ["unplugged"]
            assert standins.ran() == expected
        assert everything(ovs) == before

    def test_device_that_is_gone_is_made_again(self, ports: Ports, vif: Vif) -> None:
        ports.plug(vif)
        ip("link", "del", vif["devname"])
        assert _looked(ports, vif["id"]) == ["ready"]
        assert links()[vif["devname"]]["mtu"] == 1400

    def test_no_ovs_port_without_the_device(
        self, ports: Ports, standins: Standins, vif: Vif, ovs: PrivateOvs
    ) -> None:
        standins.be_well()
        standins.fail("no licence")
        assert _states(ports.plug(vif)) == ["retrying"]
        assert vif["devname"] not in ovs.vsctl("list-ports", "br-int").split()


class TestFastPath:
    """6WIND's program makes the device, for OVS, a hybrid port's bridge or a network's."""

    @pytest.fixture(autouse=True)
    def makes(self, standins: Standins) -> None:
        standins.then(MAKES)

    @pytest.mark.parametrize("name", FORMS)
    def test_plug_and_unplug(
        self, name: str, ports: Ports, standins: Standins, payload: Load, ovs: PrivateOvs
    ) -> None:
        before, vif = everything(ovs), payload(name)
        device, (bridge, switched) = vif["devname"], FORMS[name]
        socket = f"--sockpath {vif['details']['vhostuser_socket']} --sockmode client"
        for expected in ([f"fp-vdev add {device} {socket}"], []):
            assert _states(ports.plug(vif)) == ["ready"]
            assert standins.ran() == expected
        made = links()[device]
        assert (made["mtu"], "UP" in made["flags"]) == (1450, True)
        assert made.get("master") == bridge
        assert ovs.vsctl("list-ports", "br-int").split() == switched
        for expected in ([f"fp-vdev del {device} | {device}"], []):
            assert _states(ports.unplug(vif)) == ["unplugged"]
            assert standins.ran() == expected
        assert everything(ovs) == before
