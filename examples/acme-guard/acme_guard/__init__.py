"""Firewall driver ``acme``: a guest sends from its fixed addresses, and from the networks of the
ACME load balancer, whose addresses move between guests.

Neutron's mechanism driver says in the binding profile who may be a router (``acme_router``).
"""

import dataclasses
from typing import Any, ClassVar

from oslo_config import cfg

from vif_agent.errors import InvalidRequest
from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.pairs import joined, link_local
from vif_agent.resources import Guard
from vif_agent.vif import Vif

OPTIONS = [
    cfg.ListOpt("networks", default=[], help="Of the load balancer: any guest may send from them.")
]


@dataclasses.dataclass(frozen=True)
class AcmeDriver(FirewallDriver):
    contract = "1.0"
    #: the entry point's name before 1.0; it goes with 2.0
    aliases: ClassVar[dict[str, str]] = {"acmewall": "2.0"}

    networks: tuple[str, ...] = ()

    @classmethod
    def from_conf(cls, conf: Any) -> "AcmeDriver":
        conf.register_opts(OPTIONS, "acme_guard")
        return cls(networks=tuple(conf.acme_guard.networks))

    def guard(self, vif: Vif) -> Guard | None:
        if vif.port_security is False:
            return None
        if not vif.ips:
            raise InvalidRequest("vif.network.subnets", None, "the port's fixed addresses")
        pairs = [(vif.mac, network) for network in (*vif.ips, *self.networks)]
        pairs.append((vif.mac, link_local(vif.mac)))
        router = vif.profile.get("acme_router") is True
        return Guard(name=vif.tap_name, macs=(vif.mac,), pairs=joined(pairs), router=router)
