"""What is said of VFs in netlink, against pyroute2's own encoding of it."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from vif_agent.helper.orders import SetVf
from vif_agent.host.netlink import vf_messages
from vif_agent.resources import LINK_STATES, NO_MAC

MAC = "fa:16:3e:5a:00:09"
#: our field to pyroute2's attribute, its field, and its value of ours
THEIRS: dict[str, tuple[str, str, Any]] = {
    "mac": ("IFLA_VF_MAC", "mac", lambda v: v),
    "vlan": ("IFLA_VF_VLAN", "vlan", lambda v: v),
    "spoof_check": ("IFLA_VF_SPOOFCHK", "spoofchk", int),
    "trust": ("IFLA_VF_TRUST", "trust", int),
    "link_state": (
        "IFLA_VF_LINK_STATE", "link_state", ("auto", "enable", "disable").index,
    ),
    "min_tx_rate": ("IFLA_VF_RATE", "min_tx_rate", lambda v: v),
    "max_tx_rate": ("IFLA_VF_RATE", "max_tx_rate", lambda v: v),
}  # fmt: skip
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
rates = st.integers(0, (1 << 32) - 2)
vfs = st.fixed_dictionaries(
    {
        "mac": macs,
        "vlan": st.integers(0, 4094),
        "spoof_check": st.booleans(),
        "trust": st.booleans(),
        "link_state": st.sampled_from(LINK_STATES),
        "min_tx_rate": rates,
        "max_tx_rate": rates,
    }
)


def _decoded(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The VF attributes of a message, as pyroute2 reads them."""
    message = ifinfmsg(data)
    message.decode()
    infos = message.get_attr("IFLA_VFINFO_LIST").get_attrs("IFLA_VF_INFO")
    return [(name, value) for info in infos for name, value in info["attrs"]]


def _card(vfs: list[dict[str, Any]], index: int = 7) -> bytes:
    """A physical function's link, as pyroute2 packs it, without the message's header."""
    infos = [["IFLA_VF_INFO", {"attrs": _attributes(n, vf)}] for n, vf in enumerate(vfs)]
    message = ifinfmsg()
    message["index"] = index
    message["attrs"] = [["IFLA_IFNAME", "eth2"], ["IFLA_VFINFO_LIST", {"attrs": infos}]]
    message.encode()
    return bytes(message.data[16:])


def _attributes(number: int, vf: dict[str, Any]) -> list[list[Any]]:
    packed: dict[str, dict[str, Any]] = {"IFLA_VF_VLAN": {"vf": number, "vlan": 0, "qos": 3}}
    for field, value in vf.items():
        attribute, name, theirs = THEIRS[field]
        packed.setdefault(attribute, {"vf": number})[name] = theirs(value)
    return [[name, value] for name, value in packed.items()]


@given(st.integers(1, 1 << 20), st.integers(0, 255), vfs)
def test_each_setting_is_what_pyroute2_reads(index: int, number: int, vf: dict[str, Any]) -> None:
    order = SetVf(name="0000:03:10.1", index=index, number=number, **vf)
    for words, request in vf_messages.settings(order):
        field = words.split()[-1]
        attribute, name, theirs = THEIRS[field]
        ((told, value),) = _decoded(request.encode(1))
        assert (told, value["vf"], value[name]) == (attribute, number, theirs(vf[field]))
        if attribute == "IFLA_VF_RATE":
            assert value["min_tx_rate"] == vf["min_tx_rate"]
        if attribute == "IFLA_VF_VLAN":
            assert value["qos"] == 0
        assert struct.unpack_from("=i", request.encode(1), 20) == (index,)


@given(st.lists(vfs, max_size=8))
def test_card_is_read_as_pyroute2_packs_it(vfs: list[dict[str, Any]]) -> None:
    assert vf_messages.read(_card(vfs)) == (7, dict(enumerate(vfs)))


def test_card_without_vfs() -> None:
    message = ifinfmsg()
    message["index"] = 7
    message["attrs"] = [["IFLA_IFNAME", "eth2"]]
    message.encode()
    assert vf_messages.read(bytes(message.data[16:])) == (7, {})


@pytest.mark.parametrize("field", ["spoof_check", "trust"])
def test_setting_that_the_driver_does_not_tell(field: str) -> None:
    attribute, name, _ = THEIRS[field]
    attributes = [
        ["IFLA_VF_MAC", {"vf": 0, "mac": MAC}],
        ["IFLA_VF_VLAN", {"vf": 0, "vlan": 5, "qos": 0}],
        [attribute, {"vf": 0, name: 0xFFFFFFFF}],
    ]
    message = ifinfmsg()
    message["attrs"] = [["IFLA_VFINFO_LIST", {"attrs": [["IFLA_VF_INFO", {"attrs": attributes}]]}]]
    message.encode()
    (vf,) = vf_messages.read(bytes(message.data[16:]))[1].values()
    others = {"spoof_check", "trust", "link_state"} - {field}
    assert vf == {"mac": MAC, "vlan": 5, field: None, **dict.fromkeys(others)}


def test_mac_comes_first_when_taken_and_last_when_restored() -> None:
    taken = SetVf(name="0000:03:10.1", index=7, number=0, trust=True, vlan=5, mac=MAC)
    assert [field for field, _ in vf_messages.settings(taken)] == ["mac", "vlan", "trust"]
    restored = dataclasses.replace(taken, mac=NO_MAC)
    assert [field for field, _ in vf_messages.settings(restored)] == ["vlan", "trust", "mac"]
