"""What agents are told when ports change."""

from __future__ import annotations

from typing import Any

import oslo_messaging
from neutron.db.models_v2 import Port
from neutron_lib.db import api as db_api
from oslo_config import cfg

from tests.neutron.in_neutron.base import A, B, C, DriverTestCase, ids, wished
from vif_agent.neutron.casts import Casts


class TestCasting(DriverTestCase):
    def test_a_port_that_moves_is_unplugged_where_it_was(self) -> None:
        port = self.bound(self.network_of("local"))
        self.change(port["id"], binding_host_id=B)
        assert self.unplugged(A) == port["id"]
        assert self.plugged(B)["id"] == port["id"]

    def test_a_port_without_a_host_is_unplugged(self) -> None:
        port = self.bound(self.network_of("local"))
        self.change(port["id"], binding_host_id="")
        assert self.unplugged(A) == port["id"]

    def test_a_port_that_moves_to_where_it_cannot_be_is_unplugged(self) -> None:
        port = self.bound(self.network_of("local"))
        moved = self.change(port["id"], binding_host_id=C)
        assert moved["binding:vif_type"] == "binding_failed"
        assert self.unplugged(A) == port["id"]

    def test_a_port_that_is_deleted_is_unplugged(self) -> None:
        port = self.bound(self.network_of("local"))
        self.remove(port["id"])
        assert self.unplugged(A) == port["id"]

    def test_a_port_is_unplugged_while_its_admin_wants_it_down(self) -> None:
        port = self.bound(self.network_of("local"))
        self.change(port["id"], admin_state_up=False)
        assert self.unplugged(A) == port["id"]
        self.change(port["id"], admin_state_up=True)
        assert self.plugged(A)["id"] == port["id"]

    def test_what_a_guest_may_say_is_told(self) -> None:
        port = self.bound(self.network_of("local"))
        pairs = [{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09"}]
        self.change(port["id"], allowed_address_pairs=pairs)
        assert self.plugged(A)["meta"]["allowed_address_pairs"] == pairs
        self.change(port["id"], allowed_address_pairs=[])
        assert self.plugged(A)["meta"]["allowed_address_pairs"] == []
        self.change(port["id"], port_security_enabled=False)
        assert self.plugged(A)["meta"]["port_security_enabled"] is False

    def test_what_does_not_matter_there_is_not_told(self) -> None:
        port = self.bound(self.network_of("local"))
        self.change(port["id"], name="another", description="word")
        assert self.casts(A) == []

    def test_the_mtu_of_a_network_is_told_to_all_its_hosts(self) -> None:
        network, other = self.network_of("local"), self.network_of("local")
        here, there = self.bound(network, A), self.bound(network, B)
        self.bound(other, A)
        self._update("networks", network["id"], {"network": {"mtu": 1400}}, as_admin=True)
        for host, port in ((A, here), (B, there)):
            ((method, arguments),) = self.casts(host)
            assert (method, arguments["complete"]) == ("sync_vifs", False)
            (item,) = arguments["vifs"]
            assert item["vif"]["id"] == port["id"]
            assert item["vif"]["network"]["meta"]["mtu"] == 1400
        self._update("networks", network["id"], {"network": {"name": "new"}}, as_admin=True)
        assert self.casts(A) == []

    def test_what_has_become_a_trunks_spoils_no_other_port(self) -> None:
        network = self.network_of("local")
        port, other = self.bound(network), self.bound(network)
        with db_api.CONTEXT_WRITER.using(context := self.admin):
            trunks = {"device_owner": "trunk:subport"}
            context.session.query(Port).filter_by(id=port["id"]).update(trunks)
        self.report(A, start=True)
        assert ids(self.full_set(A)) == {other["id"]}
        self.change(port["id"], fixed_ips=[])
        assert self.casts(A) == []
        self.change(port["id"], allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
        assert self.unplugged(A) == port["id"]

    def test_a_later_word_has_a_later_generation(self) -> None:
        port = self.port_of(self.network_of("local"))
        self.change(port["id"], admin_state_up=False)
        generations = [arguments["generation"] for _, arguments in self.casts(A)]
        assert len(generations) == 2
        assert generations == sorted(generations)

    def test_a_port_that_is_unbound_for_a_moment_is_not_unplugged(self) -> None:
        """Another request has begun to change its binding while this one reads."""
        port = self.bound(self.network_of("local"))
        self.unbind(port["id"], levels=False)
        self.change(port["id"], allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
        assert {method for method, _ in self.casts(A)} <= {"plug_vif"}

    def test_a_guest_runs_on_where_only_the_agent_is_silent(self) -> None:
        port = self.bound(self.network_of("local"))
        self.silence(A)
        assert self.profiled(port, "once")["binding:vif_type"] == "binding_failed"
        assert self.casts(A) == []
        self.report(A)
        assert self.shown(port["id"])["binding:vif_type"] == "tap"
        assert [method for method, _ in self.casts(A)] == ["plug_vif", "sync_vifs"]

    def test_a_port_that_its_host_reaches_no_longer_is_unplugged(self) -> None:
        port = self.bound(self.network_of("vlan", "physnet1", 7))
        self.report(A, interface_mappings={})
        self.casts(A)
        assert self.profiled(port, "twice")["binding:vif_type"] == "binding_failed"
        assert self.unplugged(A) == port["id"]

    def profiled(self, port: Any, value: str) -> Any:
        """Bound anew, as by each change of its profile."""
        return self.change(port["id"], binding_profile={"any": value})

    def test_a_port_is_made_though_nothing_can_be_cast(self) -> None:
        url = "rabbit://guest:guest@127.0.0.1:1/"
        nowhere = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
        driver = self.plugin.mechanism_manager.mech_drivers["vif_agent"].obj
        driver.casts = Casts(0.2, lambda: nowhere)
        port = self.port_of(self.network_of("local"))
        assert port["binding:vif_type"] == "tap"
        assert self.change(port["id"], admin_state_up=False)["admin_state_up"] is False
        self.remove(port["id"])
        assert self.casts(A) == []


class TestMigration(DriverTestCase):
    """By the bindings API, as nova does it."""

    def setUp(self) -> None:
        super().setUp()
        self.moving = self.bound(self.network_of("local"))["id"]
        self.ready(self.moving)

    def prepared(self) -> Any:
        assert self.binding("POST", self.moving, B) == 201
        vif = self.plugged(B)
        assert vif["id"] == self.moving
        assert self.casts(A) == []
        return vif

    def test_both_hosts_have_it_then_the_target_alone(self) -> None:
        vif = self.prepared()
        assert self.binding("PUT", self.moving, B, "activate") == 200
        assert self.unplugged(A) == self.moving
        assert self.plugged(B) == vif
        self.ready(self.moving, B)
        assert self.shown(self.moving)["status"] == "ACTIVE"
        assert self.binding("DELETE", self.moving, A) == 204
        assert self.unplugged(A) == self.moving

    def test_an_abort_takes_it_from_the_target(self) -> None:
        self.prepared()
        assert self.binding("DELETE", self.moving, B) == 204
        assert self.unplugged(B) == self.moving
        assert self.casts(A) == []

    def test_no_report_binds_the_port_again_that_is_being_activated_elsewhere(self) -> None:
        vif = self.prepared()
        self.unbind(self.moving)
        self.report(A, **wished(vif))
        assert self.shown(self.moving)["binding:vif_type"] == "unbound"
        ((method, arguments),) = self.casts(A)
        assert (method, arguments["complete"]) == ("sync_vifs", False)

    def test_a_report_binds_the_port_again_that_has_been_left_unbound(self) -> None:
        vif = self.prepared()
        self.unbind(self.moving)
        self.age(self.moving)
        self.report(A, **wished(vif))
        assert self.shown(self.moving)["binding:vif_type"] == "tap"

    def test_a_failed_guest_goes_back(self) -> None:
        self.prepared()
        assert self.binding("PUT", self.moving, B, "activate") == 200
        self.casts(A)
        self.casts(B)
        assert self.binding("DELETE", self.moving, A) == 204
        assert self.binding("POST", self.moving, A) == 201
        self.casts(A)
        assert self.binding("PUT", self.moving, A, "activate") == 200
        assert self.plugged(A)["id"] == self.moving
        assert self.unplugged(B) == self.moving

    def test_a_port_deleted_while_it_migrates_goes_from_both_hosts(self) -> None:
        self.prepared()
        self.remove(self.moving)
        assert self.unplugged(A) == self.moving
        assert self.unplugged(B) == self.moving

    def test_what_changes_meanwhile_is_told_to_both(self) -> None:
        self.prepared()
        pairs = [{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09"}]
        self.change(self.moving, allowed_address_pairs=pairs)
        for host in (A, B):
            assert self.plugged(host)["meta"]["allowed_address_pairs"] == pairs

    def test_a_full_set_has_what_is_to_come(self) -> None:
        self.prepared()
        self.report(B, start=True)
        assert ids(self.full_set(B)) == {self.moving}

    def test_no_target_is_taken_that_does_not_reach_the_network(self) -> None:
        self.report(B, network_types=["vxlan"])
        assert self.binding("POST", self.moving, B) == 500
        assert self.casts(B) == []
