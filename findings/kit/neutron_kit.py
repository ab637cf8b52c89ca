"""Neutron with ML2's openvswitch driver in this process, on SQLite: how findings about it begin."""

import datetime
import logging

from neutron import manager
from neutron.common import config
from neutron.db.migration.models import head  # noqa: F401 - all its tables
from neutron_lib import constants, context
from neutron_lib.db import api, model_base
from neutron_lib.plugins import directory

_FILE = """
[DEFAULT]
core_plugin = ml2
transport_url = fake:/
state_path = {work}
notify_nova_on_port_status_changes = {tells_nova}
notify_nova_on_port_data_changes = {tells_nova}
[database]
connection = sqlite:///{work}/neutron.db
[nova]
auth_type = none
endpoint = {nova}
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers = openvswitch
"""


def start(work, nova=""):
    """The plugin and the database's engine, in directory ``work``. ``nova``: whom ports' changes
    are told, a URL."""
    file = work / "neutron.conf"
    file.write_text(_FILE.format(work=work, nova=nova, tells_nova=bool(nova)))
    config.register_common_config_options()
    config.init(["--config-file", str(file)])
    logging.disable(logging.CRITICAL)
    with api.CONTEXT_WRITER.using(context.get_admin_context()) as session:
        engine = session.get_bind()
    model_base.BASEV2.metadata.create_all(engine)
    manager.init()
    return directory.get_plugin(), engine


def guests_port(plugin, *hosts):
    """A guest's port, bound to the first of these hosts; each has an agent."""
    admin = context.get_admin_context()
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for host in hosts:
        plugin.create_or_update_agent(admin, _agent(host), now)
    common = {"name": "old", "tenant_id": "project", "admin_state_up": True}
    network = {**common, "shared": False, "router:external": False}
    port = {
        **common,
        "network_id": plugin.create_network(admin, {"network": network})["id"],
        "mac_address": constants.ATTR_NOT_SPECIFIED,
        "fixed_ips": [],
        "binding:host_id": hosts[0],
        "device_id": "6d3d3b2c-5bd3-4a58-8d2e-0f3f5b7f6a11",
        "device_owner": "compute:nova",
    }
    return plugin.create_port(admin, {"port": port})


def _agent(host):
    kind = constants.AGENT_TYPE_OVS
    return {
        "agent_type": kind,
        "binary": "agent",
        "host": host,
        "topic": "agent",
        "configurations": {},
    }
