"""Bridges and ports of Open vSwitch."""

import dataclasses
from typing import ClassVar

from vif_agent.resources.base import OVS_BRIDGE, OVS_PORT, Pairs, Resource


@dataclasses.dataclass(frozen=True, kw_only=True)
class OvsBridge(Resource):
    """``secure``: made with fail_mode secure, so no frame passes before its owner has come to give
    it flows. One that is there is as its owner has it."""

    space: ClassVar[str] = OVS_BRIDGE
    kind: ClassVar[str] = "ovs-bridge"
    write_only: ClassVar[frozenset[str]] = frozenset({"secure"})

    datapath_type: str | None = None
    secure: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class OvsPort(Resource):
    """An OVS port with its one interface, and its QoS row when ``qos_type`` is given.

    ``isolate`` acts at creation only: the port starts in the dead VLAN (tag 4095, trunk 4095) and
    from then on the tag is the Neutron agent's. ``wait_ofport``: the device is there already, so
    the port counts as ready only with an ofport. ``error_is_final``: or with an error, for Open
    vSwitch has decided; the error is logged, and keeps nobody waiting. ``refusable`` is its former
    name.
    """

    space: ClassVar[str] = OVS_PORT
    kind: ClassVar[str] = "ovs-port"
    immutable: ClassVar[frozenset[str]] = frozenset({"bridge"})
    maps: ClassVar[frozenset[str]] = frozenset({"external_ids", "options"})
    write_only: ClassVar[frozenset[str]] = frozenset({"isolate", "wait_ofport", "error_is_final"})

    bridge: str
    interface_type: str | None = None
    external_ids: Pairs = ()
    options: Pairs | None = None
    mtu_request: int | None = None
    qos_type: str | None = None
    isolate: bool = False
    wait_ofport: bool = True
    error_is_final: bool = False
    refusable: dataclasses.InitVar[bool | None] = None

    def __post_init__(self, refusable: bool | None) -> None:
        super().__post_init__()
        if refusable is not None:
            object.__setattr__(self, "error_is_final", refusable)
