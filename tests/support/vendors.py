"""What vendors' programs are to be called with for the shipped payloads."""

from __future__ import annotations

from typing import NamedTuple

PROGRAMS = (
    "mm-ctl",
    "ifc_ctl",
    "ivs-ctl",
    "ebrctl",
    "vrouter-port-control",
    "fp-vdev",
    "fp",
    "checked",
)
INSTANCE, PROJECT = "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a", "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f"
NETWORK = "8f11e0f7-47bd-5943-8227-5142f7c4752c"
MIDONET, IOVISOR = "c45f0df2-15bc-5d76-9881-dc3231784f69", "94f5dbc6-8402-592a-a963-bdf7707593ec"
VROUTER = "7d3d3930-f8b7-5fd4-913b-67952c506848"
OFFLOADED = "2b5fe2c1-b78d-5e28-9957-2e1419d81e3f"
FORWARDED = "907536a9-2610-5df7-8b05-ebe8008494de"


class Ran(NamedTuple):
    """What is run for a payload's plug and unplug, and the device that is there meanwhile."""

    plug: list[str]
    unplug: list[str]


RUNS = {
    "midonet": Ran(
        [f"mm-ctl --bind-port {MIDONET} tapc45f0df2-15 | tapc45f0df2-15"],
        [f"mm-ctl --unbind-port {MIDONET}"],
    ),
    "iovisor": Ran(
        [
            "ifc_ctl gateway add_port tap94f5dbc6-84 | tap94f5dbc6-84",
            f"ifc_ctl gateway ifup tap94f5dbc6-84 access_vm {IOVISOR} fa:16:3e:5a:00:21"
            f" pgtag2={NETWORK} pgtag1={PROJECT} | tap94f5dbc6-84",
        ],
        [
            "ifc_ctl gateway ifdown tap94f5dbc6-84 | tap94f5dbc6-84",
            "ifc_ctl gateway del_port tap94f5dbc6-84 | tap94f5dbc6-84",
        ],
    ),
    "ivs": Ran(
        ["ivs-ctl add-port tap76ba2c11-15 | tap76ba2c11-15"],
        ["ivs-ctl del-port tap76ba2c11-15 | tap76ba2c11-15"],
    ),
    "ivs_hybrid": Ran(
        ["ivs-ctl add-port qvo0c00fd71-ce | qvo0c00fd71-ce"],
        ["ivs-ctl del-port qvo0c00fd71-ce | qvo0c00fd71-ce"],
    ),
    "vrouter": Ran(
        [
            f"vrouter-port-control --oper=add --uuid={VROUTER} --instance_uuid={INSTANCE}"
            f" --vn_uuid={NETWORK} --vm_project_uuid={PROJECT} --ip_address=192.0.2.17"
            " --ipv6_address=2001:db8:1::17 --vm_name=instance-0000002a --mac=fa:16:3e:5a:00:24"
            " --tap_name=tap7d3d3930-f8 --port_type=NovaVMPort --tx_vlan_id=-1 --rx_vlan_id=-1"
        ],
        [f"vrouter-port-control --oper=delete --uuid={VROUTER}"],
    ),
    "vrouter_direct": Ran(
        [
            f"vrouter-port-control --oper=add --uuid={OFFLOADED} --instance_uuid={INSTANCE}"
            f" --vn_uuid={NETWORK} --vm_project_uuid={PROJECT} --ip_address=192.0.2.17"
            " --ipv6_address=2001:db8:1::17 --vm_name=instance-0000002a --mac=fa:16:3e:5a:00:2b"
            " --tap_name=tap2b5fe2c1-b7 --port_type=NovaVMPort --vnic_type=direct"
            " --pci_dev=0000:08:08.5 --tx_vlan_id=-1 --rx_vlan_id=-1"
        ],
        [
            f"vrouter-port-control --oper=delete --uuid={OFFLOADED} --vnic_type=direct"
            " --pci_dev=0000:08:08.5"
        ],
    ),
    "vrouter_virtio_forwarder": Ran(
        [
            f"vrouter-port-control --oper=add --uuid={FORWARDED} --instance_uuid={INSTANCE}"
            f" --vn_uuid={NETWORK} --vm_project_uuid={PROJECT} --ip_address=192.0.2.17"
            " --ipv6_address=2001:db8:1::17 --vm_name=instance-0000002a --mac=fa:16:3e:5a:00:2c"
            " --tap_name=tap907536a9-26 --port_type=NovaVMPort --vif_type=VhostUser"
            " --vnic_type=virtio-forwarder --pci_dev=0000:08:08.6"
            " --vhostuser_socket=/var/lib/vhost_sockets/tap907536a9-26 --vhostuser_mode=1"
            " --tx_vlan_id=-1 --rx_vlan_id=-1"
        ],
        [
            f"vrouter-port-control --oper=delete --uuid={FORWARDED} --tap_name=tap907536a9-26"
            " --vnic_type=virtio-forwarder --pci_dev=0000:08:08.6"
            " --vhostuser_socket=/var/lib/vhost_sockets/tap907536a9-26 --vhostuser_mode=1"
        ],
    ),
    "vhostuser_vrouter": Ran(
        [
            "vrouter-port-control --oper=add --uuid=13ff46e7-33a8-550d-8d3b-06fdd4b0edbb"
            f" --instance_uuid={INSTANCE} --vn_uuid=b5d653d0-2fe1-58f2-9c7a-fc7df0759470"
            f" --vm_project_uuid={PROJECT} --ip_address=192.0.2.17 --ipv6_address=2001:db8:1::17"
            " --vm_name=instance-0000002a --mac=fa:16:3e:5a:00:2a --tap_name=tap13ff46e7-33"
            " --port_type=NovaVMPort --vif_type=VhostUser"
            " --vhostuser_socket=/var/lib/vhost_sockets/tap13ff46e7-33 --vhostuser_mode=1"
            " --tx_vlan_id=-1 --rx_vlan_id=-1"
        ],
        ["vrouter-port-control --oper=delete --uuid=13ff46e7-33a8-550d-8d3b-06fdd4b0edbb"],
    ),
    "ib_hostdev": Ran(
        [f"ebrctl add-port fa:16:3e:5a:00:25 {INSTANCE} ibfabric1 ib_hostdev 0000:03:10.3"],
        ["ebrctl del-port ibfabric1 fa:16:3e:5a:00:25"],
    ),
    "mlnx_direct": Ran(
        [f"ebrctl add-port fa:16:3e:5a:00:26 {INSTANCE} fabric1 mlnx_direct eth487ce496-90"],
        ["ebrctl del-port fabric1 fa:16:3e:5a:00:26"],
    ),
}
