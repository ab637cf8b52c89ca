#!/usr/bin/env bash
# Neutron tells nova "network-vif-plugged" before the port is ACTIVE for anybody who asks.
#
# Software:  neutron 29.0.0 (neutron-lib 5.0.1, SQLAlchemy 2.1.9), ML2 with its openvswitch driver. Here on SQLite and in one
#            process; with MariaDB and Neutron's API it was seen as well.
# Expected:  the event is sent when the change is done: whoever hears it and asks for the port sees ACTIVE.
# Happens:   the notifier listens to SQLAlchemy's "after_update", which comes at the flush, and sends from a thread of its
#            own: the transaction is open, and who asks is answered DOWN. Here the commit is held until nova has heard, at
#            most 10 s: an event sent after the commit would not be there by then. Without that it is a race.
# So:        a hook or a test that waits for nova's event has to go on asking until the port is ACTIVE.
#            nova_check/bound.py does.
. "$(dirname "$0")/kit/start.bash"
python_with neutron==29.0.0 neutron-lib==5.0.1 SQLAlchemy==2.1.9
cat >"$work/told.py" <<'PY'
import datetime, json, logging, sys, threading
from http import server
from pathlib import Path
from neutron import manager
from neutron.common import config
from neutron.db import models_v2
from neutron.db.migration.models import head
from neutron.plugins.ml2 import rpc
from neutron_lib import constants, context
from neutron_lib.db import api, model_base
from neutron_lib.plugins import directory
from sqlalchemy import event

work = Path(sys.argv[1])
flushed, told = threading.Event(), threading.Event()

def status():
    return directory.get_plugin().get_port(context.get_admin_context(), port["id"])["status"]

class Nova(server.BaseHTTPRequestHandler):
    def do_POST(self):
        [heard] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]
        print("nova hears", heard["name"], "and reads", status())
        told.set()
        body = json.dumps({"events": [{**heard, "code": 200}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

nova = server.ThreadingHTTPServer(("127.0.0.1", 0), Nova)
threading.Thread(target=nova.serve_forever, daemon=True).start()
(work / "neutron.conf").write_text(f"""
[DEFAULT]
core_plugin = ml2
transport_url = fake:/
state_path = {work}
[database]
connection = sqlite:///{work}/neutron.db
[nova]
auth_type = none
endpoint = http://127.0.0.1:{nova.server_address[1]}
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers = openvswitch
""")
config.register_common_config_options()
config.init(["--config-file", str(work / "neutron.conf")])
logging.disable(logging.CRITICAL)
admin = context.get_admin_context()
with api.CONTEXT_WRITER.using(admin) as session:
    engine = session.get_bind()
model_base.BASEV2.metadata.create_all(engine)
manager.init()
plugin = directory.get_plugin()

agent = {"agent_type": constants.AGENT_TYPE_OVS, "binary": "agent", "host": "one", "topic": "agent", "configurations": {}}
plugin.create_or_update_agent(admin, agent, datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None))
common = {"name": "", "tenant_id": "project", "admin_state_up": True}
network = plugin.create_network(admin, {"network": {**common, "shared": False, "router:external": False}})
port = plugin.create_port(admin, {"port": {
    **common, "network_id": network["id"], "mac_address": constants.ATTR_NOT_SPECIFIED, "fixed_ips": [], "binding:host_id": "one",
    "device_id": "6d3d3b2c-5bd3-4a58-8d2e-0f3f5b7f6a11", "device_owner": "compute:nova"}})
print("bound as", port["binding:vif_type"], "and", port["status"])

@event.listens_for(models_v2.Port, "after_update")
def after_update(mapper, connection, row):
    flushed.set()

@event.listens_for(engine, "commit")
def before_commit(connection):
    if flushed.is_set() and threading.current_thread() is threading.main_thread():
        print("before the commit: told", told.wait(10))
        flushed.clear()

rpc.RpcCallbacks(None, None).update_device_up(admin, agent_id="agent", device=port["id"], host="one")
print("after it:", status(), "told", told.wait(10))
PY
mapfile -t seen < <(timeout 120 "$python" -W ignore "$work/told.py" "$work" 2>"$work/errors")
expect "a port of a guest, not yet plugged" "bound as ovs and DOWN" "${seen[0]-}"
expect "its host's agent reports the device up" "nova hears network-vif-plugged and reads DOWN" "${seen[1]-}"
expect "Neutron's transaction" "before the commit: told True" "${seen[2]-}"
expect "the port" "after it: ACTIVE told True" "${seen[3]-}"
