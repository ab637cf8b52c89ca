"""Which port is bound to which host, as what, and why not."""

from __future__ import annotations

from typing import Any, ClassVar

from neutron.db import provisioning_blocks
from neutron_lib.callbacks import resources
from oslo_config import cfg

from tests.neutron.in_neutron.base import GUEST, REACH, A, B, C, DriverTestCase, Json


class TestBinding(DriverTestCase):
    #: kind, physical network, segment; what the agent is told of it
    NETWORKS: ClassVar[list[tuple[str, str, int]]] = [
        ("local", "", 0),
        ("flat", "physnet1", 0),
        ("flat", "physnet2", 0),
        ("vlan", "physnet1", 7),
        ("vxlan", "", 1234),
    ]

    def test_each_kind_of_segment(self) -> None:
        for kind, physnet, segment in self.NETWORKS:
            port = self.port_of(self.network_of(kind, physnet, segment))
            assert port["binding:vif_type"] == "tap", (kind, port)
            meta = self.plugged(A)["network"]["meta"]
            assert meta["network_type"] == kind
            assert meta.get("physical_network", "") == physnet
            assert meta.get("segmentation_id", 0) == segment
            assert meta["mtu"] == (1450 if kind == "vxlan" else 1500)

    def test_what_is_cast_is_the_port_as_neutron_knows_it(self) -> None:
        network = self.network_of("vlan", "physnet1", 7)
        pair = {"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09"}
        with self.subnet({"network": network}, cidr="10.0.0.0/24"):
            port = self.port_of(network, allowed_address_pairs=[pair])
        ((method, arguments),) = self.casts(A)
        vif = arguments["vif"]
        assert (method, arguments["instance"]) == ("plug_vif", {"uuid": GUEST})
        assert (vif["id"], vif["address"]) == (port["id"], port["mac_address"])
        assert (vif["type"], vif["devname"]) == ("tap", "tap" + port["id"][:11])
        assert vif["details"] == {"connectivity": "l2", "port_filter": True}
        ((ip,),) = [subnet["ips"] for subnet in vif["network"]["subnets"]]
        assert ip["address"] == port["fixed_ips"][0]["ip_address"]
        assert vif["meta"] == {
            "allowed_address_pairs": [pair], "port_security_enabled": True, "sender": "neutron",
        }  # fmt: skip

    def test_no_port_is_bound_to_what_the_host_does_not_reach(self) -> None:
        unreached: list[tuple[Json, Json]] = [
            (self.network_of("vlan", "physnet2", 201), {}),  # a bridge is no device
            (self.network_of("flat", "physnet3"), {}),
            (self.network_of("vxlan", vid=1234), {"tunneling_ip": None}),
            (self.network_of("vxlan", vid=1235), {"tunnel_types": []}),
            (self.network_of("local"), {"network_types": ["flat"]}),
        ]
        for network, configurations in unreached:
            self.report(A, **configurations)
            port = self.port_of(network)
            assert port["binding:vif_type"] == "binding_failed", network

    def test_no_port_is_bound_to_a_host_whose_agent_is_silent_or_none(self) -> None:
        self.silence(A)
        network = self.network_of("local")
        assert self.port_of(network, A)["binding:vif_type"] == "binding_failed"
        assert self.port_of(network, C)["binding:vif_type"] == "binding_failed"
        assert self.port_of(network, B)["binding:vif_type"] == "tap"

    def test_only_normal_ports_are_bound(self) -> None:
        network = self.network_of("local")
        port = self.port_of(network, **{"binding:vnic_type": "direct"})
        assert port["binding:vif_type"] == "binding_failed"
        assert "plug_vif" not in dict(self.casts(A))

    def test_what_is_not_supported_is_not_bound(self) -> None:
        network = self.network_of("local")
        port = self.port_of(network, device_owner="trunk:subport")
        assert port["binding:vif_type"] == "binding_failed"

    def test_the_ports_of_dhcp_are_bound_and_belong_to_no_instance(self) -> None:
        given = {"device_owner": "network:dhcp", "device_id": "dhcp-and-no-uuid"}
        port = self.port_of(self.network_of("local"), **given)
        assert port["binding:vif_type"] == "tap"
        ((_, arguments),) = self.casts(A)
        assert arguments["instance"] == {}
        assert arguments["vif"]["meta"]["device_owner"] == "network:dhcp"

    def test_no_filter_is_promised_where_the_host_has_none(self) -> None:
        self.report(A, firewall="noop")
        port = self.port_of(self.network_of("local"))
        assert port["binding:vif_details"]["port_filter"] is False

    def test_the_scheduler_sees_which_hosts_reach_a_network(self) -> None:
        self.report(B, **{**REACH, "interface_mappings": {}})
        hosts = self.plugin.filter_hosts_with_network_access(
            self.admin, self.network_of("vlan", "physnet1", 7)["id"], {A, B, C}
        )
        assert hosts == {A}


class TestSecurityGroups(DriverTestCase):
    def group(self) -> str:
        given = {"name": "g", "description": "", "project_id": "p", "tenant_id": "p"}
        made: Any = self.plugin.create_security_group(self.admin, {"security_group": given})
        group: str = made["id"]
        return group

    def test_a_port_that_has_some_is_not_bound_and_the_log_says_what_to_do(self) -> None:
        port = self.port_of(self.network_of("local"), security_groups=[self.group()])
        assert port["binding:vif_type"] == "binding_failed"
        assert "plug_vif" not in dict(self.casts(A))

    def test_such_a_port_is_bound_where_the_operator_says_so(self) -> None:
        cfg.CONF.set_override("security_groups", "ignored", group="ml2_vif_agent")
        self.bound(self.network_of("local"), security_groups=[self.group()])

    def test_none_is_given_to_a_port_that_is_bound(self) -> None:
        port = self.bound(self.network_of("local"))
        given = {"port": {"security_groups": [self.group()]}}
        answer = self._update("ports", port["id"], given, expected_code=400, as_admin=True)
        assert "--no-security-group" in str(answer)
        assert self.shown(port["id"])["security_groups"] == []
        cfg.CONF.set_override("security_groups", "ignored", group="ml2_vif_agent")
        self._update("ports", port["id"], given, as_admin=True)

    def test_one_without_port_security_has_none(self) -> None:
        self.port_of(self.network_of("local"), port_security_enabled=False)
        assert self.plugged(A)["meta"]["port_security_enabled"] is False


class TestStatus(DriverTestCase):
    def test_a_port_is_active_when_its_agent_says_so(self) -> None:
        port = self.bound(self.network_of("local"))
        assert port["status"] == "DOWN"
        assert self.is_blocked(port["id"])
        self.ready(port["id"])
        assert self.shown(port["id"])["status"] == "ACTIVE"
        assert self.casts(A) == []  # a status alone is no reason to plug

    def test_a_port_bound_anew_on_its_host_waits_for_the_agent_again(self) -> None:
        port = self.bound(self.network_of("local"))
        self.ready(port["id"])
        port = self.change(port["id"], binding_profile={"a": 1})
        assert port["status"] == "DOWN"
        assert self.is_blocked(port["id"])
        assert self.plugged(A)["profile"] == {"a": 1}  # no unplug, though it was unbound meanwhile

    def is_blocked(self, port_id: str) -> bool:
        return bool(provisioning_blocks.is_object_blocked(self.admin, port_id, resources.PORT))
