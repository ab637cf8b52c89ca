#!/usr/bin/env bash
# Neutron sets a migrated port DOWN on its new host, and leaves it so, when its old host's "down" comes at the wrong moment.
#
# Software:  neutron 29.0.0 (neutron-lib 5.0.1, SQLAlchemy 2.1.9), ML2 with its openvswitch driver. Here on SQLite.
# Expected:  a port's status is that of the host where it is bound: what an agent says of a port that has left its host changes
#            nothing. So it is where "down" comes after the new host's binding was activated: Neutron looks and ignores it.
# Happens:   update_device_down looks whether the port is bound to the host, and then, without looking again, sets the
#            port's status. Where the activation and the new host's "up" come between, the port is DOWN on the new host, for
#            which nobody says "up" again: there all is well. Here a subscriber to the port's BEFORE_UPDATE, which lies
#            between the two, lets them come there; in life it is chance, at the end of each live migration.
# So:        an agent has to say "up" again for a port that it has up and Neutron shows DOWN; vif-agent's ten-minute repeat does.
. "$(dirname "$0")/kit/start.bash"
python_with neutron==29.0.0 neutron-lib==5.0.1 SQLAlchemy==2.1.9
cat >"$work/migrate.py" <<'PY'
import sys, threading
from pathlib import Path
import neutron_kit
from neutron.plugins.ml2 import rpc
from neutron_lib import context
from neutron_lib.callbacks import events, registry, resources

work, moment = Path(sys.argv[1]), sys.argv[2]
plugin, _ = neutron_kit.start(work)
port = neutron_kit.guests_port(plugin, "one", "two")
calls = rpc.RpcCallbacks(None, None)

def says(host, what):
    tell = {"up": calls.update_device_up, "down": calls.update_device_down}[what]
    tell(context.get_admin_context(), agent_id="agent", device=port["id"], host=host)

def migrated():  # by other requests, thus in another thread
    def run():
        plugin.activate(context.get_admin_context(), "two", port["id"])
        says("two", "up")
        print(status(), end=", then ")
    other = threading.Thread(target=run)
    other.start()
    other.join()

def before_update(resource, event, trigger, payload):
    registry.unsubscribe(before_update, resources.PORT, events.BEFORE_UPDATE)
    migrated()

def status():
    shown = plugin.get_port(context.get_admin_context(), port["id"])
    return f"{shown['status']} on {shown['binding:host_id']}"

says("one", "up")
plugin.create_port_binding(context.get_admin_context(), port["id"], {"binding": {"host": "two", "vnic_type": "normal", "profile": {}}})
if moment == "before":
    migrated()
elif moment == "between":
    registry.subscribe(before_update, resources.PORT, events.BEFORE_UPDATE)
says("one", "down")
if moment == "after":
    migrated()
print(status(), end=", then ")
says("two", "up")
print(status())
PY
migrate() { rm -f "$work/neutron.db" && timeout 120 "$python" -W ignore "$work/migrate.py" "$work" "$1" 2>"$work/errors"; }
# the last word of each line is after the new host's second "up"
expect "activated and up, then the old host's down" "ACTIVE on two, then ACTIVE on two, then ACTIVE on two" "$(migrate before)"
expect "the old host's down, then activated and up" "ACTIVE on two, then ACTIVE on two, then ACTIVE on two" "$(migrate after)"
expect "activated and up while the old host's down is handled" "ACTIVE on two, then DOWN on two, then ACTIVE on two" "$(migrate between)"
