"""os-vif from PyPI, unmodified, with our drop-in, against the real daemon, bus, OVS and kernel."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import MODES, Site, Vif, numbered, wait_for
from tests.support.nova_side import ALL, NovaSide, OsVifError
from tests.support.osvif_specs import OF_EXAMPLES, OTHERS, Spec
from vif_agent.nova.payload import FORMS
from vif_agent.testing.host import ScratchHost

LOG = logging.getLogger(__name__)
OURS = "vif_agent.nova.plugin"

Payload = Callable[[str], Vif]

#: the kernel's devices and the OVS ports of each
DEVICES: dict[str, tuple[set[str], set[str]]] = {
    "ovs": (set(), {"tap7181b049-88"}),
    "ovs_create_tap": ({"tap5e4179f1-1b"}, {"tap5e4179f1-1b"}),
    "ovs_hybrid": ({"qbr5843eca1-e1", "qvb5843eca1-e1", "qvo5843eca1-e1"}, {"qvo5843eca1-e1"}),
    "bridge": ({"brq7151fa78-2a", "tapcb0042fb-c1"}, set()),
    "vhostuser_ovs": (set(), {"vhu7036e6bb-59"}),
    "vhostuser_ovs_client": (set(), {"vhu451ddd31-06"}),
    "bare_vhostuser": (set(), set()),
    "fp_tap": (set(), set()),
    "contrail": (set(), set()),
    "remote_managed": (set(), set()),
    "qbg": (set(), set()),
    "qbh": (set(), set()),
    "vrouter": (set(), set()),
    "vrouter_direct": (set(), set()),
    "vrouter_forwarder": (set(), set()),
    "ivs": ({"tap7181b049-88"}, set()),
    "ivs_hybrid": ({"qbr7181b049-88", "qvb7181b049-88", "qvo7181b049-88"}, set()),
}
#: of a card that is not in this machine
AWAY = ["ovs_representor", "agilio_direct"]
REFUSED = [name for name in OTHERS if name not in {*DEVICES, *AWAY}]
#: oslo.messaging up to 18.1 looks for an answer twice a second: 500 calls take more than 250 s
SLOW_ANSWERS = tuple(map(int, metadata.version("oslo.messaging").split(".")[:2])) <= (18, 1)
VENDORS = {"commands": {"allowed": "ivs-ctl:/bin/true,vrouter-port-control:/bin/true"}}


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param, VENDORS) as running:
        yield running


@pytest.fixture(scope="module")
def nova(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NovaSide]:
    with NovaSide(tmp_path_factory.mktemp("nova"), site.rabbit.url) as side:
        side.initialize()
        yield side


@contextlib.contextmanager
def other_nova(site: Site, directory: Path, **settings: Any) -> Iterator[NovaSide]:
    with NovaSide(directory, site.rabbit.url, **settings) as side:
        side.initialize()
        yield side


def spec_of(payload: Payload, name: str, number: int | None = None) -> Spec:
    vif = payload(name if name in OF_EXAMPLES else "ovs")
    vif = vif if number is None else numbered(vif, number)
    return {**OF_EXAMPLES, **OTHERS}[name](vif)


@pytest.mark.parametrize("name", DEVICES)
def test_plug_and_unplug(site: Site, nova: NovaSide, payload: Payload, name: str) -> None:
    """When os-vif's call returns, the host is ready; a second call writes nothing."""
    spec, (links, ports) = spec_of(payload, name), DEVICES[name]
    before, wired = site.host.links().keys(), site.ovs_ports()
    nova.plug(spec)
    assert site.host.links().keys() - before == links
    assert site.ovs_ports() - wired == ports
    assert site.writes(lambda: nova.plug(spec)) == []
    nova.unplug(spec)
    assert site.host.links().keys() == before
    assert site.ovs_ports() == wired
    assert site.writes(lambda: nova.unplug(spec)) == []


@pytest.mark.parametrize("name", REFUSED)
def test_form_without_a_plugin_of_the_agents(
    site: Site, nova: NovaSide, payload: Payload, name: str
) -> None:
    spec = spec_of(payload, name)
    before, wired = site.host.links().keys(), site.ovs_ports()
    with pytest.raises(
        OsVifError, match=r"Got error: .*\((no_plugin|command_not_allowed)\)$"
    ) as failed:
        nova.plug(spec)
    assert failed.value.kind == "PlugException"
    assert spec["id"] in str(failed.value)
    nova.unplug(spec)
    assert (site.host.links().keys(), site.ovs_ports()) == (before, wired)


@pytest.mark.parametrize("name", AWAY)
def test_representor_of_a_card_that_is_not_there(
    site: Site, payload: Payload, tmp_path: Path, name: str
) -> None:
    """nova hears why when its time is up; the agent goes on trying until the unplug."""
    spec = spec_of(payload, name, 4)
    before, wired = site.host.links().keys(), site.ovs_ports()
    with other_nova(site, tmp_path, wait=3) as nova:
        with pytest.raises(OsVifError, match=r"in 3 s: 0000:81:02\.3: this host has no such PCI"):
            nova.plug(spec)
        nova.unplug(spec)
    assert (site.host.links().keys(), site.ovs_ports()) == (before, wired)


def test_agents_own_words_reach_nova(site: Site, nova: NovaSide, payload: Payload) -> None:
    spec = spec_of(payload, "ovs", 1) | {"address": "01:00:5e:00:00:01"}
    with pytest.raises(OsVifError) as failed:
        nova.plug(spec)
    text = "vif.address: expected a unicast MAC address, got '01:00:5e:00:00:01' (invalid_request)"
    assert text in str(failed.value)
    with pytest.raises(OsVifError, match=r"VIFBridge, VIFOpenVSwitch, .*got 'VIFDirect'"):
        nova.plug({"class": "VIFDirect", "id": spec["id"], "plugin": "ovs"})


def test_host_info_tells_what_is_taken(nova: NovaSide) -> None:
    """The side has asked os-vif for the common version of each class and profile."""
    reported = nova.ask("host_info")
    assert reported.pop("vif_agent") == {}
    assert reported == {
        plugin: {name: list(form.profiles) for name, form in forms.items()}
        for plugin, forms in FORMS.items()
    }
    only = nova.ask("host_info", permitted=["VIFGeneric"])
    assert only == {"vrouter": {"VIFGeneric": []}, "ivs": {"VIFGeneric": []}}


def test_takes_over_and_says_so(nova: NovaSide) -> None:
    assert nova.initialize() == dict.fromkeys((*ALL, "vif_agent"), OURS)
    output = [line for line in nova.log().splitlines() if "takes the place" in line]
    assert len(output) == 1
    assert " INFO vif_agent.nova.plugin " in output[0]
    assert "ovs (vif_plug_ovs.ovs:OvsPlugin), linux_bridge (" in output[0]  # os-vif 5 has none
    assert "Agent: scratch, wait: 30.0 s" in output[0]


def test_agent_killed_between_cast_and_answer(site: Site, nova: NovaSide, payload: Payload) -> None:
    """The port cannot be done before the agent dies; the next agent does it, and nova hears so."""
    vif = numbered(payload("ovs_hybrid"), 2)
    site.host.ovs.kill_ovsdb()
    try:
        nova.send_plug(OF_EXAMPLES["ovs_hybrid"](vif))
        wait_for(lambda: site.port(vif)["state"] == "retrying", "a retrying port")
        site.daemon.kill()
    finally:
        site.host.ovs.start_ovsdb()
    site.daemon.start()
    assert nova.answer() < 30
    assert "qvo" + vif["id"][:11] in site.ovs_ports()
    nova.unplug(OF_EXAMPLES["ovs_hybrid"](vif))


def test_broker_killed_between_cast_and_answer(
    site: Site, payload: Payload, tmp_path: Path
) -> None:
    """The agent has the request already; nova asks for its result again when the broker is back."""
    vif = numbered(payload("ovs_hybrid"), 6)
    with other_nova(site, tmp_path, wait=90) as nova:
        site.host.ovs.kill_ovsdb()
        try:
            nova.send_plug(OF_EXAMPLES["ovs_hybrid"](vif))
            wait_for(lambda: site.port(vif)["state"] == "retrying", "a retrying port")
            site.rabbit.kill()
        finally:
            site.host.ovs.start_ovsdb()
        site.rabbit.start()
        assert nova.answer() < 90
        assert "qvo" + vif["id"][:11] in site.ovs_ports()
        site.rejoined()
        nova.unplug(OF_EXAMPLES["ovs_hybrid"](vif))


def test_agent_absent(site: Site, payload: Payload, tmp_path: Path) -> None:
    first, second = spec_of(payload, "ovs_create_tap"), spec_of(payload, "ovs", 3)
    with other_nova(site, tmp_path, wait=6) as nova:
        nova.plug(first)
        site.daemon.kill()
        begin = time.monotonic()
        with pytest.raises(OsVifError) as failed:
            nova.plug(second)
        assert 5.9 < time.monotonic() - begin < 20
        assert "vif-agent on scratch has not answered for 6 s; last seen at 20" in str(failed.value)
        site.daemon.start()
        nova.unplug(first, second)
    with other_nova(site, tmp_path, wait=1) as nova:
        site.daemon.kill()
        with pytest.raises(OsVifError, match="never seen, since this process started at 20"):
            nova.unplug(first)
        site.daemon.start()


def test_cast_and_forget(site: Site, payload: Payload, tmp_path: Path) -> None:
    vif = numbered(payload("ovs_create_tap"), 4)
    spec = OF_EXAMPLES["ovs_create_tap"](vif)
    with other_nova(site, tmp_path, wait=0) as nova:
        site.daemon.kill()
        nova.plug(spec)
        assert vif["devname"] not in site.host.links()
        site.daemon.start()
        wait_for(lambda: vif["devname"] in site.host.links(), "the tap")
        nova.unplug(spec)
        wait_for(lambda: vif["devname"] not in site.host.links(), "no tap")


@pytest.mark.parametrize("eventlet", [False, True])
def test_many_threads_of_a_fresh_nova(
    site: Site, payload: Payload, tmp_path: Path, eventlet: bool
) -> None:
    """The first plugs of all come together, and make the connection; it is not nova's own."""
    vifs = [numbered(payload("ovs_create_tap"), 20 + n) for n in range(10)]
    specs, taps = [OF_EXAMPLES["ovs_create_tap"](v) for v in vifs], {v["devname"] for v in vifs}
    away = "rabbit://127.0.0.1:1"
    with other_nova(site, tmp_path, eventlet=eventlet, novas_url=away) as nova:
        nova.plug_at_once(*specs)
        assert taps <= site.host.links().keys()
        nova.unplug(*specs)
        assert not taps & site.host.links().keys()


def test_replug_of_healthy_ports_writes_nothing(
    site: Site, nova: NovaSide, payload: Payload
) -> None:
    """As nova-compute does at its start: every port of the host, one after the other."""
    vifs = [numbered(payload("ovs_create_tap"), 1000 + n) for n in range(500)]
    again = vifs[::5] if SLOW_ANSWERS else vifs
    specs = [OF_EXAMPLES["ovs_create_tap"](vif) for vif in again]
    for vif in vifs:
        site.plug(vif, wait=None)
    site.settled()
    taken: list[float] = []
    assert site.writes(lambda: taken.append(nova.plug(*specs))) == []
    LOG.warning("%s: %d re-plugs in %.2f s", site.concurrency, len(specs), taken[-1])
    site.unplug_all()


# No agent is needed for what follows.


def distribution(directory: Path, name: str) -> Path:
    """An os-vif plugin of somebody else's, whose name is also its entry point's."""
    info = directory / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[os_vif]\n{name} = {name}_plug:Plugin\n")
    (directory / f"{name}_plug.py").write_text(
        "from vif_plug_noop.noop import NoOpPlugin\nclass Plugin(NoOpPlugin):\n    pass\n"
    )
    return directory


@pytest.mark.parametrize("reset", [False, True])
def test_any_order_of_entry_points(tmp_path: Path, reset: bool) -> None:
    early = distribution(tmp_path / "early", "ivs")
    late = distribution(tmp_path / "late", "vrouter")
    names = ("ivs", "vrouter", "linux_bridge")
    with NovaSide(tmp_path, "rabbit://", take_over=names, early=early, late=late) as nova:
        found = nova.initialize()
        found = nova.initialize(reset=True) if reset else found
        order = list(found)
        assert order.index("ivs") < order.index("vif_agent") < order.index("vrouter")
        assert {name for name, module in found.items() if module == OURS} == {*names, "vif_agent"}
        assert found["ovs"] == "vif_plug_ovs.ovs"
        had = "ivs (ivs_plug:Plugin), vrouter (vrouter_plug:Plugin), linux_bridge ("
        assert had in nova.log()  # linux_bridge: os-vif had one itself until 4.3


def test_takes_over_nothing_if_told_so(tmp_path: Path) -> None:
    with NovaSide(tmp_path, "rabbit://", take_over=()) as nova:
        found = nova.initialize()
    assert (found["ovs"], found["noop"]) == ("vif_plug_ovs.ovs", "vif_plug_noop.noop")


def test_unknown_name_stops_nova(tmp_path: Path) -> None:
    with (
        NovaSide(tmp_path, "rabbit://", take_over=("osv",)) as nova,
        pytest.raises(OsVifError, match=r"take_over.*osv") as failed,
    ):
        nova.initialize()
    assert failed.value.kind == "ConfigFileValueError"


def test_osvif_of_another_build_is_an_error(tmp_path: Path) -> None:
    with NovaSide(tmp_path, "rabbit://") as nova:
        nova.ask("spoil")
        with pytest.raises(OsVifError, match=r"cannot take over .* os_vif\._EXT_MANAGER is dict"):
            nova.ask("load")
