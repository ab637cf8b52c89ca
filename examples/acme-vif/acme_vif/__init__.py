"""vif_type ``acme``: a tap on the ACME SDN's own Open vSwitch bridge.

Its controller programs the flows. It finds a port by keys of the Interface row: ``acme-network``,
and ``acme-policy``, which Neutron's mechanism driver gives in the binding profile.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from oslo_config import cfg

from vif_agent.errors import InvalidRequest
from vif_agent.plugins.base import Plugin
from vif_agent.resources import OvsBridge, OvsPort, Resource, Tap
from vif_agent.vif import Vif

OPTIONS = [cfg.StrOpt("bridge", default="br-acme", help="The bridge that the controller rules.")]


@dataclasses.dataclass(frozen=True)
class AcmePlugin(Plugin):
    contract = "1.0"
    #: the entry point's name before 1.0; it goes with 2.0
    aliases: ClassVar[dict[str, str]] = {"acmesdn": "2.0"}

    bridge: str = "br-acme"

    @classmethod
    def from_conf(cls, conf: Any) -> "AcmePlugin":
        conf.register_opts(OPTIONS, "acme")
        return cls(bridge=conf.acme.bridge)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        name = "acm" + vif.short_id
        return (
            OvsBridge(name=self.bridge, shared=True, datapath_type=vif.datapath_type),
            Tap(name=name, mac=vif.mac, mtu=vif.mtu, master="", multi_queue=vif.multi_queue),
            OvsPort(
                name=name, bridge=self.bridge, mtu_request=vif.mtu, external_ids=_external_ids(vif)
            ),
        )


def _external_ids(vif: Vif) -> tuple[tuple[str, str], ...]:
    policy = vif.profile.get("acme_policy")
    if not isinstance(policy, str) or not policy.isidentifier():
        raise InvalidRequest("vif.profile.acme_policy", policy, "the name of a policy")
    if vif.network_id is None:
        raise InvalidRequest("vif.network.id", None, "the network's UUID")
    ids = {
        "iface-id": vif.port_id,
        "attached-mac": vif.mac,
        "acme-network": vif.network_id,
        "acme-policy": policy,
    }
    return tuple(sorted(ids.items()))
