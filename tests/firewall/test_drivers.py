"""A table of VIFs and their guards; which ports are asked for, and how a driver is found."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from tests.support.examples import INSTANCE
from tests.support.rig import NETWORK_TYPES, REGISTRY
from vif_agent import config
from vif_agent.config.checks import check
from vif_agent.errors import InvalidConfiguration, InvalidRequest, PluginFailed
from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.guarded import Guarded, Plugins
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.firewall.noop import NoopDriver
from vif_agent.firewall.pairs import joined, link_local
from vif_agent.host.nft.rules import SPOKEN_OF
from vif_agent.plugin_host import drivers
from vif_agent.plugin_host.in_process import InProcessDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.resources import Bridge, Guard
from vif_agent.vif import Vif, parse

Payload = Callable[[str], dict[str, Any]]

MAC, VRRP = "fa:16:3e:5a:00:04", "00:00:5e:00:01:0a"
LOCAL, VRRPS_LOCAL = "fe80::f816:3eff:fe5a:4/128", "fe80::200:5eff:fe00:10a/128"
FIXED = ((MAC, "192.0.2.17/32"), (MAC, "2001:db8:1::17/128"), (MAC, LOCAL))
ANY = ((MAC, "0.0.0.0/0"), (MAC, "::/0"))


@pytest.fixture
def vif(payload: Payload) -> Callable[..., Vif]:
    def make(name: str = "bridge", fixed: bool = True, **meta: object) -> Vif:
        cast = payload(name)
        network = cast["network"] if fixed else {**cast["network"], "subnets": []}
        return parse(INSTANCE, {**cast, "network": network, "meta": meta})

    return make


@pytest.mark.parametrize(
    ("pairs", "strict", "macs", "allowed"),
    [
        (None, False, (MAC,), ANY),
        (None, True, (MAC,), FIXED),
        ([], False, (MAC,), FIXED),
        (["192.0.2.17"], False, (MAC,), FIXED),
        (["192.0.2.99"], False, (MAC,), (*FIXED, (MAC, "192.0.2.99/32"))),
        (["192.0.2.0/24"], False, (MAC,), ((MAC, "192.0.2.0/24"), *FIXED[1:])),
        (["0.0.0.0/0"], True, (MAC,), ((MAC, "0.0.0.0/0"), *FIXED[1:])),
        (
            [("192.0.2.5", VRRP)],
            False,
            (VRRP, MAC),
            (*FIXED, (VRRP, "192.0.2.5/32"), (VRRP, VRRPS_LOCAL)),
        ),
    ],
)
def test_guard_has_fixed_addresses_pairs_and_link_local_ones(
    vif: Callable[..., Vif], pairs: Any, strict: bool, macs: Any, allowed: Any
) -> None:
    meta = {} if pairs is None else {"allowed_address_pairs": [_neutrons(pair) for pair in pairs]}
    guard = NftablesDriver(strict=strict).guard(vif(**meta))
    expected = Guard(name="tapcb0042fb-c1", macs=macs, pairs=tuple(sorted(allowed)))
    assert guard == expected


def _neutrons(pair: Any) -> dict[str, str]:
    ip, mac = (pair, MAC) if isinstance(pair, str) else pair
    return {"ip_address": ip, "mac_address": mac}


def test_port_without_a_fixed_address_may_have_any(vif: Callable[..., Vif]) -> None:
    guard = NftablesDriver(strict=True).guard(vif(fixed=False, allowed_address_pairs=[]))
    assert guard
    assert (guard.macs, guard.pairs) == ((MAC,), ANY)


def test_port_without_port_security_has_no_guard(vif: Callable[..., Vif]) -> None:
    assert NftablesDriver().guard(vif(port_security_enabled=False)) is None
    assert NftablesDriver().guard(vif(port_security_enabled=True))
    assert NoopDriver().guard(vif()) is None


@pytest.mark.parametrize(
    ("owner", "dhcp", "router"),
    [("network:dhcp", True, False), ("network:router_gateway", False, True),
     ("network:router_interface", False, True),
     ("network:ha_router_replicated_interface", False, True)],
)  # fmt: skip
def test_port_of_neutrons_own_may_serve_from_its_mac(
    vif: Callable[..., Vif], owner: str, dhcp: bool, router: bool
) -> None:
    """Neutron says of them that port security is off; without that extension it says nothing."""
    told = vif(device_owner=owner, allowed_address_pairs=[])
    own = Guard(
        name="tapcb0042fb-c1", macs=(MAC,), pairs=ANY, dhcp_server=dhcp, router=router
    )  # fmt: skip
    assert NftablesDriver(strict=True).guard(told) == own
    off = vif(device_owner=owner, port_security_enabled=False)
    assert NftablesDriver().guard(off) is None


@pytest.mark.parametrize("owner", ["compute:nova", "xnetwork:dhcp", "Network:dhcp", ""])
def test_guest_is_neither_dhcp_server_nor_router(vif: Callable[..., Vif], owner: str) -> None:
    assert NftablesDriver().guard(vif(device_owner=owner)) == NftablesDriver().guard(vif())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MAC, VRRP]),
            st.one_of(
                st.ip_addresses(v=4, network="192.0.2.0/29"),
                st.ip_addresses(v=6, network="2001:db8::/125"),
            ).flatmap(
                lambda ip: st.integers(ip.max_prefixlen - 4, ip.max_prefixlen).map(
                    lambda length: f"{ip}/{length}"
                )
            ),
        )
    )
)
def test_joined_pairs_are_the_same_addresses_once(pairs: list[tuple[str, str]]) -> None:
    import ipaddress

    canonical = [(mac, ipaddress.ip_network(net, strict=False)) for mac, net in pairs]
    result = joined((mac, str(net)) for mac, net in canonical)
    assert list(result) == sorted(result)
    assert joined(result) == result
    addresses = [(mac, ip) for mac, net in result for ip in ipaddress.ip_network(net)]
    assert len(addresses) == len({*addresses}), "two networks of one MAC overlap"
    assert {*addresses} == {(mac, ip) for mac, net in canonical for ip in net}


def test_link_local_address_is_neutrons() -> None:
    assert link_local("00:00:5e:00:01:0a") == VRRPS_LOCAL
    assert link_local(MAC) == LOCAL


@pytest.mark.parametrize(
    ("name", "guarded"),
    [("bridge", True), ("bridge_flat", True), ("bridge_vlan", True), ("bridge_vxlan", True),
     ("tap", False), ("ovs", False), ("ovs_hybrid", False), ("ovs_create_tap", False),
     ("vhostuser_fp_bridge", False), ("macvtap", False), ("noop", False)],
)  # fmt: skip
def test_ports_that_the_agent_wires_into_a_linux_bridge_are_guarded(
    vif: Callable[..., Vif], name: str, guarded: bool
) -> None:
    asked = vif(name)
    answer = Guarded(REGISTRY, NftablesDriver()).resources(asked)
    guards = [r.name for r in answer if isinstance(r, Guard)]
    assert guards == ([asked.tap_name] if guarded else [])
    unguarded = Guarded(REGISTRY, NftablesDriver()).resources(
        vif(name, port_security_enabled=False)
    )
    for resources in (answer, unguarded):
        learning = {r.learns_link_local for r in resources if isinstance(r, Bridge)}
        assert learning == {False} if guarded else learning <= {None}
    assert Guarded(REGISTRY, NoopDriver()).resources(asked) == REGISTRY.resources(asked)


def test_taps_are_guarded_where_we_wire_them_and_where_libvirt_does(
    vif: Callable[..., Vif],
) -> None:
    libvirts = BridgePlugin(create_tap=False, network_types=NETWORK_TYPES)
    for plugin, name in ((TapPlugin(libvirts), "tap"), (libvirts, "bridge")):
        asked = vif(name)
        assert Guarded(plugin, NftablesDriver()).resources(asked)[-1].name == asked.tap_name


def test_taps_that_the_host_routes_are_guarded_where_that_is_asked_for(
    vif: Callable[..., Vif],
) -> None:
    def guards(plugins: Plugins, name: str, routed_taps: bool) -> list[Guard]:
        answer = Guarded(plugins, NftablesDriver(), routed_taps).resources(vif(name))
        return [r for r in answer if isinstance(r, Guard)]

    guard = NftablesDriver().guard(vif("tap"))
    assert guard
    assert guards(REGISTRY, "tap", False) == []
    assert guards(REGISTRY, "tap", True) == [dataclasses.replace(guard, routed=True)]
    wired = TapPlugin(BridgePlugin(create_tap=False, network_types=NETWORK_TYPES))
    assert guards(wired, "tap", True) == [guard]
    for name in ("bridge", "ovs_hybrid", "macvtap", "vhostuser_fp_bridge"):
        assert guards(REGISTRY, name, True) == guards(REGISTRY, name, False)


class Broken(FirewallDriver):
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def guard(self, vif: Vif) -> Guard | None:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[no-any-return]


def _guard(**fields: Any) -> Guard:
    return Guard(**{"name": "tapcb0042fb-c1", "macs": (MAC,), "pairs": FIXED, **fields})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ZeroDivisionError("oops"), "raised ZeroDivisionError('oops')"),
        (7, "answered 7, which is no Guard"),
        ((_guard(),), "answered (Guard("),
        (_guard(name="tap-of-another"), "answered a Guard of device 'tap-of-another', and the p"),
        (_guard(macs=()), "answered a Guard whose macs is (), not 1 to 10000 MACs"),
        (_guard(macs=[MAC]), "answered a Guard whose macs is ['fa:"),
        (_guard(macs=(MAC, VRRP)), "answered a Guard whose macs is ('fa:"),
        (_guard(macs=(MAC, MAC)), "answered a Guard whose macs is ('fa:"),
        (_guard(macs=(MAC.upper(),)), "answered a Guard whose macs is ('FA:"),
        (_guard(macs=("no MAC",)), "answered a Guard whose macs is ('no MAC',)"),
        (_guard(macs=(7,)), "answered a Guard whose macs is (7,)"),
        (_guard(macs=(VRRP,)), "answered a Guard whose pairs is (("),
        (_guard(pairs=None), "answered a Guard whose pairs is None"),
        (_guard(pairs=((MAC,),)), "answered a Guard whose pairs is (("),
        (_guard(pairs=((MAC, "192.0.2.17"),)), "answered a Guard whose pairs is (("),
        (_guard(pairs=((MAC, "192.0.2.1/24"),)), "answered a Guard whose pairs is (("),
        (_guard(pairs=((MAC, "fe80::1%eth0/128"),)), "answered a Guard whose pairs is (("),
        (_guard(pairs=(*FIXED[1:], FIXED[0])), "answered a Guard whose pairs is (("),
        (_guard(pairs=(FIXED[0], FIXED[0])), "answered a Guard whose pairs is (("),
        (
            _guard(pairs=((MAC, "192.0.2.0/24"), (MAC, "192.0.2.0/25"))),
            "answered a Guard whose pairs is ((",
        ),
        (
            _guard(pairs=((MAC, "192.0.2.0/24"), (MAC, "192.0.2.17/32"))),
            "answered a Guard whose pairs is ((",
        ),
        (
            _guard(pairs=tuple((MAC, f"10.{n >> 8}.{n & 255}.0/24") for n in range(10_001))),
            "answered a Guard whose pairs is ((",
        ),
        (_guard(router=0), "answered a Guard whose router is 0, not True or False"),
        (_guard(dhcp_server="no"), "answered a Guard whose dhcp_server is 'no'"),
        (_guard(enforced=False), "answered a Guard whose enforced is False, not True"),
        (_guard(routed=True), "answered a Guard whose routed is True, not False"),
        (_guard(shared=True), "answered a Guard whose shared is True, not False"),
        (_guard(only_if=(("mtu", 1),)), "answered a Guard whose only_if is (('mtu', 1),)"),
    ],
)
def test_port_whose_driver_fails_is_not_plugged(
    vif: Callable[..., Vif], answer: Any, says: str
) -> None:
    broken = InProcessDriver("acme", Broken(answer))
    with pytest.raises(PluginFailed) as failed:
        Guarded(REGISTRY, broken).resources(vif())
    assert str(failed.value).startswith(f"firewall driver acme {says}")
    assert Guarded(REGISTRY, broken).resources(vif("ovs"))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        _guard(),
        _guard(pairs=()),
        _guard(macs=(VRRP, MAC), dhcp_server=True, router=True),
        _guard(pairs=((MAC, "0.0.0.0/0"), (MAC, "::/0"))),
        _guard(pairs=((MAC, "192.0.2.16/32"), (MAC, "192.0.2.17/32"))),
    ],
)
def test_answer_of_a_driver_is_taken_as_it_is(vif: Callable[..., Vif], answer: Any) -> None:
    assert InProcessDriver("acme", Broken(answer)).guard(vif()) == answer


def test_driver_may_refuse_a_port(vif: Callable[..., Vif]) -> None:
    with pytest.raises(InvalidRequest, match=r"^vif\.meta: "):
        InProcessDriver("acme", Broken(InvalidRequest("vif.meta", 7, "addresses"))).guard(vif())


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], cfg.ConfigOpts]:
    def read(text: str) -> cfg.ConfigOpts:
        path = tmp_path / "vif-agent.conf"
        path.write_text(f"[firewall]\n{text}\n")
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf([], default_config_files=[str(path)])
        check(conf)
        return conf

    return read


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("", NftablesDriver()),
        ("driver = noop", NoopDriver()),
        ("driver = nftables", NftablesDriver()),
        ("driver = nftables\nunknown_pairs = strict", NftablesDriver(strict=True)),
        ("driver = libvirt", NftablesDriver()),
        ("driver = nova.virt.firewall.NoopFirewallDriver", NoopDriver()),
        ("driver = nova.virt.libvirt.firewall.IptablesFirewallDriver", NftablesDriver()),
    ],
)
def test_driver_is_loaded_by_its_name_or_by_novas(
    configured: Callable[[str], cfg.ConfigOpts],
    caplog: pytest.LogCaptureFixture,
    text: str,
    driver: FirewallDriver,
) -> None:
    caplog.set_level(logging.WARNING)
    used = drivers.load(configured(text)).used
    assert isinstance(used, InProcessDriver)
    loaded = used.driver
    assert type(loaded) is type(driver)
    assert getattr(loaded, "strict", None) == getattr(driver, "strict", None)
    hints = [r.message for r in caplog.records]
    name, own = text.partition(" = ")[2], "noop" if type(driver) is NoopDriver else "nftables"
    if "nova" in name or name == "libvirt":
        hint = f"[firewall] driver = {name} is nova's name for it: it is called {own} here"
        assert hints == [hint]
    else:
        assert hints == []


def test_driver_that_is_not_installed_is_refused(
    configured: Callable[[str], cfg.ConfigOpts],
) -> None:
    expected = r"\[firewall\] driver: expected one of nftables, noop, got 'iptables'"
    with pytest.raises(InvalidConfiguration, match=expected):
        drivers.load(configured("driver = iptables"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("0x88CC,0x8863", ["0x88cc", "0x8863"]),
        ("", []),
        ("lldp", "expected a number from 0x0600 to 0xffff"),
        ("0x05dc", "expected a number from 0x0600 to 0xffff"),
        ("0x18100", "expected a number from 0x0600 to 0xffff"),
        *((f"{n:#06x}", "expected none of IPv4, ARP, IPv6, RARP, 802.1Q") for n in SPOKEN_OF),
    ],
)
def test_permitted_ethertypes_are_numbers_of_other_protocols(
    configured: Callable[[str], cfg.ConfigOpts], given: str, says: Any
) -> None:
    text = f"permitted_ethertypes = {given}"
    if isinstance(says, list):
        assert configured(text).firewall.permitted_ethertypes == says
    else:
        with pytest.raises(cfg.ConfigFileValueError, match=says):
            configured(text)
