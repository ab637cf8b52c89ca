"""VIFs without what their plugin needs, and with what it must not take: refused by the field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from vif_agent.errors import InvalidRequest
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.plugins.iovisor import IovisorPlugin
from vif_agent.plugins.mlnx import IbHostdevPlugin, MlnxDirectPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.plugins.vrouter import VrouterPlugin
from vif_agent.vif import parse

Payload = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize(
    ("plugin", "name", "fields", "field"),
    [
        (IovisorPlugin(), "iovisor", {"network_id": None}, "vif.network.id"),
        (IovisorPlugin(), "iovisor", {"project_id": None}, "instance.project_id"),
        (VrouterPlugin(), "vrouter", {"network_id": None}, "vif.network.id"),
        (VrouterPlugin(), "vrouter", {"project_id": None}, "instance.project_id"),
        (VrouterPlugin(), "vrouter", {"instance_uuid": None}, "instance.uuid"),
        (VrouterPlugin(), "vrouter", {"instance_name": None}, "instance.name"),
        (VrouterPlugin(), "vrouter", {"instance_name": "a --mac=b"}, "instance.name"),
        (VrouterPlugin(), "vrouter_direct", {"pci_slot": None}, "vif.profile.pci_slot"),
        (VrouterPlugin(), "vrouter_virtio_forwarder", {"pci_slot": None}, "vif.profile.pci_slot"),
        (VrouterPlugin(), "vrouter_virtio_forwarder", {"vhostuser_socket": None},
         "vif.details.vhostuser_socket"),
        (IbHostdevPlugin(), "ib_hostdev", {"physical_network": None},
         "vif.network.meta.physical_network"),
        (IbHostdevPlugin(), "ib_hostdev", {"physical_network": "-h"},
         "vif.network.meta.physical_network"),
        (IbHostdevPlugin(), "ib_hostdev", {"instance_uuid": None}, "instance.uuid"),
        (IbHostdevPlugin(), "ib_hostdev", {"pci_slot": None}, "vif.profile.pci_slot"),
        (MlnxDirectPlugin(), "mlnx_direct", {"physical_network": None},
         "vif.network.meta.physical_network"),
        (HwVebPlugin(), "hw_veb_direct", {"pci_slot": None}, "vif.profile.pci_slot"),
        (HwVebPlugin(), "hw_veb_direct", {"vnic_type": "normal"}, "vif.vnic_type"),
        (OvsPlugin(), "ovs_direct", {"pci_slot": None}, "vif.profile.pci_slot"),
        (OvsPlugin(), "ovs_direct_netdev", {"pci_slot": None}, "vif.profile.pci_slot"),
    ],
)  # fmt: skip
def test_vif_that_says_too_little_is_refused(
    payload: Payload, plugin: Plugin, name: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plugin.resources(dataclasses.replace(parse(INSTANCE, payload(name)), **fields))
    assert refused.value.field == field
