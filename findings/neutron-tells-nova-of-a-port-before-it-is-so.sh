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
import json, sys, threading
from http import server
from pathlib import Path
import neutron_kit
from neutron.db import models_v2
from neutron.plugins.ml2 import rpc
from neutron_lib import context
from sqlalchemy import event

flushed, told = threading.Event(), threading.Event()

def status():
    return plugin.get_port(context.get_admin_context(), port["id"])["status"]

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
plugin, engine = neutron_kit.start(Path(sys.argv[1]), f"http://127.0.0.1:{nova.server_address[1]}")
port = neutron_kit.guests_port(plugin, "one")
print("bound as", port["binding:vif_type"], "and", port["status"])

@event.listens_for(models_v2.Port, "after_update")
def after_update(mapper, connection, row):
    flushed.set()

@event.listens_for(engine, "commit")
def before_commit(connection):
    if flushed.is_set() and threading.current_thread() is threading.main_thread():
        print("before the commit: told", told.wait(10))
        flushed.clear()

rpc.RpcCallbacks(None, None).update_device_up(context.get_admin_context(), agent_id="agent", device=port["id"], host="one")
print("after it:", status(), "told", told.wait(10))
PY
mapfile -t seen < <(timeout 120 "$python" -W ignore "$work/told.py" "$work" 2>"$work/errors")
expect "a port of a guest, not yet plugged" "bound as ovs and DOWN" "${seen[0]-}"
expect "its host's agent reports the device up" "nova hears network-vif-plugged and reads DOWN" "${seen[1]-}"
expect "Neutron's transaction" "before the commit: told True" "${seen[2]-}"
expect "the port" "after it: ACTIVE told True" "${seen[3]-}"
