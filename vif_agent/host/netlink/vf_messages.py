"""Virtual functions in netlink: what a physical function's link says of them, and how to say it.

As in include/uapi/linux/if_link.h, ``struct ifla_vf_*``.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from vif_agent.helper.orders import SetVf
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import SET, LinkRequest, attributes, each_attribute, raw
from vif_agent.resources import LINK_STATES, NO_MAC

#: libvirt's, for the drivers that refuse a MAC of zeros (virnetdev.c)
OTHER_NO_MAC = "02:00:00:00:00:00"

#: what drivers leave of a setting that they do not tell (net/core/rtnetlink.c)
_NOT_TOLD = 0xFFFFFFFF
#: both are set as one: who knows which of them the driver refuses
_WORDS = {"max_tx_rate": "min_tx_rate or max_tx_rate"}
_SWITCHES = {"spoof_check": iflink.VF_SPOOFCHK, "trust": iflink.VF_TRUST}


def read(body: bytes) -> tuple[int, dict[int, dict[str, Any]]]:
    """The physical function's index, and its VFs by number with the fields of ``Vf``."""
    (index,) = struct.unpack_from("=i", body, 4)
    listed = attributes(body, 16).get(iflink.VFINFO_LIST, b"")
    return index, dict(_vf(attributes(info)) for _, info in each_attribute(listed))


def _vf(info: Mapping[int, bytes]) -> tuple[int, dict[str, Any]]:
    number, mac = struct.unpack_from("=I6s", info[iflink.VF_MAC])
    _, vlan, _qos = struct.unpack_from("=III", info[iflink.VF_VLAN])
    fields: dict[str, Any] = {"mac": mac.hex(":"), "vlan": vlan}
    for field, attribute in _SWITCHES.items():
        setting = _second(info, attribute)
        fields[field] = None if setting is None else bool(setting)
    state = _second(info, iflink.VF_LINK_STATE)
    fields["link_state"] = None if state is None else LINK_STATES[state]
    if rate := info.get(iflink.VF_RATE):
        _, fields["min_tx_rate"], fields["max_tx_rate"] = struct.unpack_from("=III", rate)
    return number, fields


def _second(info: Mapping[int, bytes], attribute: int) -> int | None:
    if attribute not in info:
        return None
    value: int = struct.unpack_from("=II", info[attribute])[1]
    return None if value == _NOT_TOLD else value


def settings(order: SetVf) -> Iterator[tuple[str, LinkRequest]]:
    """A message for each thing, so that an error says which it was.

    The MAC says whose the VF is: it comes first when a port takes the VF, so that a crash in
    between leaves what can be restored; and last when it is restored.
    """
    first = [] if order.mac == NO_MAC else ["mac"]
    last = ["mac"] if order.mac == NO_MAC else []
    for field in (*first, "vlan", "spoof_check", "trust", "link_state", "max_tx_rate", *last):
        if getattr(order, field) is not None:
            yield _WORDS.get(field, field), _request(order, _packed(field, order))


def other_no_mac(order: SetVf) -> LinkRequest:
    """For a driver that refuses a MAC of zeros."""
    return _request(order, _packed_mac(order.number, OTHER_NO_MAC))


def _request(order: SetVf, attribute: bytes) -> LinkRequest:
    listed = raw(iflink.VFINFO_LIST, raw(iflink.VF_INFO, attribute))
    return LinkRequest(SET, listed, order.index)


def _packed(field: str, order: SetVf) -> bytes:
    value, number = getattr(order, field), order.number
    if field == "mac":
        return _packed_mac(number, value)
    if field == "vlan":
        return raw(iflink.VF_VLAN, struct.pack("=III", number, value, 0))
    if field == "link_state":
        state = LINK_STATES.index(value)
        return raw(iflink.VF_LINK_STATE, struct.pack("=II", number, state))
    if field == "max_tx_rate":
        rates = (order.min_tx_rate or 0, value)
        return raw(iflink.VF_RATE, struct.pack("=III", number, *rates))
    return raw(_SWITCHES[field], struct.pack("=II", number, value))


def _packed_mac(number: int, mac: str) -> bytes:
    packed = bytes.fromhex(mac.replace(":", ""))
    return raw(iflink.VF_MAC, struct.pack("=I32s", number, packed))
