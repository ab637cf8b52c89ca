"""What Neutron's processes are configured with on a scratch host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Options = Mapping[str, Mapping[str, object]]

PHYSNET = "physnet1"
VLANS = range(100, 200)
VNIS = range(70000, 71000)
#: seconds: a report's pause on our hosts, and after how many an agent counts as dead
REPORT_INTERVAL, DOWN_TIME = 2, 6

#: nova's and Neutron's own calls need a role that "noauth" gives to nobody
POLICY = {"service_api": "rule:context_is_admin"}


def write(directory: Path, layers: Sequence[Options], **where: str) -> Path:
    """neutron.conf, and what it names. ``where``: see _basic; ``layers`` come on top."""
    policy = directory / "policy.yaml"
    policy.write_text(json.dumps(POLICY))
    groups = _basic(directory, policy, **where)
    for options in layers:
        for group, values in options.items():
            groups.setdefault(group, {}).update(values)
    path = directory / "neutron.conf"
    path.write_text(as_text(groups))
    return path


def as_text(groups: Options) -> str:
    """A file of oslo.config."""
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for group, values in groups.items()
    )


def _basic(
    directory: Path,
    policy: Path,
    *,
    database: str,
    bus: str,
    nova: str,
    paste: str,
) -> dict[str, dict[str, Any]]:
    return {
        "DEFAULT": {
            "auth_strategy": "noauth",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "state_path": directory / "state",
            "api_paste_config": paste,
            "transport_url": bus,
            "agent_down_time": DOWN_TIME,
            "rpc_state_report_workers": 1,
            "rpc_workers": 2,
            "send_events_interval": 1,
        },
        "database": {"connection": database},
        "nova": {"auth_type": "none", "endpoint": nova},
        "oslo_concurrency": {"lock_path": directory / "locks"},
        "oslo_policy": {"policy_file": policy},
        "ml2": {
            "type_drivers": "local,flat,vlan,vxlan",
            "tenant_network_types": "vxlan",
            "extension_drivers": "port_security",
        },
        "ml2_vif_agent": {"security_groups": "ignored"},
        "ml2_type_flat": {"flat_networks": "*"},
        "ml2_type_vlan": {"network_vlan_ranges": f"{PHYSNET}:{VLANS.start}:{VLANS.stop - 1}"},
        "ml2_type_vxlan": {"vni_ranges": f"{VNIS.start}:{VNIS.stop - 1}"},
    }
