"""What follows from an agent's reports."""

from __future__ import annotations

from typing import Any

import oslo_messaging
from neutron_lib import rpc
from neutron_lib.callbacks import events, registry, resources

from tests.neutron.in_neutron.base import A, B, C, DriverTestCase, Json, ids, wished


class TestFullSets(DriverTestCase):
    def test_an_agent_that_is_new_is_told_its_ports(self) -> None:
        assert self.report(C) == "new"
        assert self.full_set(C) == []

    def test_an_agent_that_starts_is_told_its_ports(self) -> None:
        port = self.bound(self.network_of("local"))
        self.bound(self.network_of("local"), B)
        self.report(A, start=True)
        assert ids(self.full_set(A)) == {port["id"]}

    def test_an_agent_that_is_back_is_told_its_ports(self) -> None:
        port = self.bound(self.network_of("local"))
        self.silence(A)
        assert self.report(A) == "revived"
        assert ids(self.full_set(A)) == {port["id"]}

    def test_an_agent_that_wishes_the_same_is_told_nothing(self) -> None:
        network = self.network_of("local")
        vifs = []
        for _ in range(2):
            self.port_of(network)
            vifs.append(self.plugged(A))
        self.report(A, **wished(*vifs))
        assert self.casts(A) == []

    def test_the_full_set_says_what_the_plug_said(self) -> None:
        network = self.network_of("vlan", "physnet1", 7)
        with self.subnet({"network": network}, cidr="10.0.0.0/24"):
            pairs = [{"ip_address": "10.0.1.0/24"}, {"ip_address": "10.0.0.9"}]
            self.port_of(network, allowed_address_pairs=pairs)
        vif = self.plugged(A)
        self.report(A, start=True, **wished(vif))
        assert self.full_set(A) == [vif]

    def test_what_was_lost_is_told_again_but_not_for_ever(self) -> None:
        port = self.bound(self.network_of("local"))
        self.report(A, **wished())
        assert ids(self.full_set(A)) == {port["id"]}
        self.report(A, **wished())
        assert self.casts(A) == []
        self.report(A, **wished({"id": "something else"}))
        assert ids(self.full_set(A)) == {port["id"]}

    def test_a_set_is_not_called_complete_while_a_binding_changes(self) -> None:
        """As ML2 does it: unbound in one transaction, bound in the next."""
        other = self.bound(self.network_of("local"))
        network = self.network_of("local")
        port = self.bound(network)
        self.unbind(port["id"])
        self.take_segments(network)  # so that this report cannot bind it either
        self.report(A, start=True)
        ((method, arguments),) = self.casts(A)
        assert (method, arguments["complete"]) == ("sync_vifs", False)
        assert [item["vif"]["id"] for item in arguments["vifs"]] == [other["id"]]

    def test_a_report_without_a_digest_asks_for_nothing(self) -> None:
        self.bound(self.network_of("local"))
        self.report(A, wishes=None)
        assert self.casts(A) == []

    def test_ports_of_other_drivers_and_those_that_are_down_are_not_in_it(self) -> None:
        network = self.network_of("local")
        self.bound(network)
        down = self.port_of(network, admin_state_up=False)
        self.casts(A)
        self.report(A, start=True)
        vifs = self.full_set(A)
        assert len(vifs) == 1
        assert down["id"] not in ids(vifs)


class TestBoundAnew(DriverTestCase):
    def failed(self) -> Any:
        self.silence(A)
        port = self.port_of(self.network_of("vlan", "physnet3", 401))
        assert port["binding:vif_type"] == "binding_failed"
        self.casts(A)
        return port["id"]

    def test_when_the_agent_is_back(self) -> None:
        port_id = self.failed()
        self.report(A, interface_mappings={"physnet3": "eth3"})
        assert self.shown(port_id)["binding:vif_type"] == "tap"
        assert [method for method, _ in self.casts(A)] == ["plug_vif", "sync_vifs"]

    def test_when_the_host_reaches_the_network(self) -> None:
        port_id = self.failed()
        self.report(A)
        assert self.shown(port_id)["binding:vif_type"] == "binding_failed"
        self.casts(A)
        self.report(A, interface_mappings={"physnet3": "eth3"})
        assert self.shown(port_id)["binding:vif_type"] == "tap"


class TestFailed(DriverTestCase):
    WHY = {"code": "device_missing", "message": "eth1: no such device"}  # noqa: RUF012

    def test_a_port_that_failed_is_in_error_until_it_is_well(self) -> None:
        port_id = self.bound(self.network_of("local"))["id"]
        self.report(A, failed={port_id: self.WHY})
        assert self.shown(port_id)["status"] == "ERROR"
        self.ready(port_id)
        assert self.shown(port_id)["status"] == "ACTIVE"

    def test_an_active_port_stays_so(self) -> None:
        port_id = self.bound(self.network_of("local"))["id"]
        self.ready(port_id)
        self.report(A, failed={port_id: self.WHY})
        assert self.shown(port_id)["status"] == "ACTIVE"

    def test_nobody_fails_the_ports_of_another_host(self) -> None:
        port_id = self.bound(self.network_of("local"))["id"]
        self.report(B, failed={port_id: self.WHY, "not-a-port": self.WHY})
        assert self.shown(port_id)["status"] == "DOWN"


class TestUpAndYetDown(DriverTestCase):
    """The agent has told that the port is up, and Neutron has put it DOWN since."""

    def migrated(self) -> Json:
        """The source's tap goes, and is heard while the target, already wired, is activated."""
        port = self.bound(self.network_of("local"))
        self.ready(port["id"])
        self.binding("POST", port["id"], B)

        def meanwhile(*_: Any, **__: Any) -> None:
            registry.unsubscribe(meanwhile, resources.PORT, events.BEFORE_UPDATE)
            assert self.binding("PUT", port["id"], B, "activate") == 200
            self.ready(port["id"], B)
            assert self.shown(port["id"])["status"] == "ACTIVE"

        registry.subscribe(meanwhile, resources.PORT, events.BEFORE_UPDATE)
        self.gone(port["id"], A)
        assert self.shown(port["id"])["status"] == "DOWN"
        self.casts(A)
        ((*_, (_, plug)),) = [self.casts(B)]
        return dict(plug["vif"])

    def test_its_plug_is_cast_again_so_that_its_agent_tells_how_it_is(self) -> None:
        vif = self.migrated()
        self.report(B, up=[vif["id"]], **wished(vif))
        assert self.plugged(B) == vif
        self.ready(vif["id"], B)
        self.report(B, up=[vif["id"]], **wished(vif))
        assert self.casts(B) == []
        assert self.shown(vif["id"])["status"] == "ACTIVE"

    def test_it_is_not_cast_again_and_again_while_the_port_waits_for_others(self) -> None:
        vif = self.migrated()
        for _ in range(2):
            self.report(B, up=[vif["id"]], **wished(vif))
        assert self.plugged(B) == vif
        self.ready(vif["id"], B)
        self.report(B, up=[vif["id"]], **wished(vif))
        self.gone(vif["id"], B)
        self.report(B, up=[vif["id"]], **wished(vif))
        assert self.plugged(B) == vif

    def test_nothing_is_cast_for_a_port_without_a_tap_a_failed_one_or_anothers(self) -> None:
        vif = self.migrated()
        self.report(B, **wished(vif))
        self.report(B, up=[], **wished(vif))
        self.report(A, up=[vif["id"], "not-a-port"])
        why = {"code": "device_missing", "message": "eth1: no such device"}
        self.report(B, up=[vif["id"]], failed={vif["id"]: why}, **wished(vif))
        assert self.casts(A) == self.casts(B) == []


class TestDeleted(DriverTestCase):
    def test_its_tunnels_end_is_forgotten_and_said_to_all(self) -> None:
        vxlan = self.plugin.type_manager.drivers["vxlan"].obj
        vxlan.add_endpoint("192.0.2.1", A)
        topic = "q-agent-notifier-tunnel-delete"
        target = oslo_messaging.Target(topic=topic, server="anyone")
        heard = rpc.TRANSPORT._listen(target, 1, None)._poll_style_listener
        self.plugin.delete_agent(self.admin, self.agent(B)["id"])
        assert vxlan.get_endpoints()  # A's agent has the address, too, in these tests
        self.change_address(A, "192.0.2.7", vxlan)
        self.plugin.delete_agent(self.admin, self.agent(A)["id"])
        assert [end["ip_address"] for end in vxlan.get_endpoints()] == ["192.0.2.1"]
        ((message,),) = [heard.poll(timeout=0)]
        assert message.message["args"] == {"tunnel_ip": "192.0.2.7", "tunnel_type": "vxlan"}

    def change_address(self, host: str, address: str, vxlan: Any) -> None:
        self.report(host, tunneling_ip=address)
        vxlan.add_endpoint(address, host + "-new")
