#!/usr/bin/env bash
# Whoever hears of a port's update from Neutron is shown changed VIF details, also where nothing at all was changed.
#
# Software:  neutron 29.0.0 (neutron-lib 5.0.1, SQLAlchemy 2.1.9), ML2 with its openvswitch driver. Here on SQLite.
# Expected:  of the two states that AFTER_UPDATE carries (a mechanism driver's "original" and "current" are the same two), a
#            field differs if the update has changed it. A name changes no VIF details.
# Happens:   each update of a bound port shows binding:vif_details with "bound_drivers" before it and without after it, even
#            one that changes nothing. The old state is read from the database; of the new one ML2 writes the binding a
#            second time, and leaves out the drivers. In the API they are always there.
# So:        compare VIF details without "bound_drivers", or each change of a name or a tag looks like a new binding.
. "$(dirname "$0")/kit/start.bash"
python_with neutron==29.0.0 neutron-lib==5.0.1 SQLAlchemy==2.1.9
cat >"$work/update.py" <<'PY'
import sys
from pathlib import Path
import neutron_kit
from neutron_lib import context
from neutron_lib.callbacks import events, registry, resources

plugin, _ = neutron_kit.start(Path(sys.argv[1]))
port = neutron_kit.guests_port(plugin, "one")
print("bound as", port["binding:vif_type"])

def differences(old, new, path=""):
    for key in sorted({*old, *new} - {"updated_at", "revision_number"}):
        before, after = old.get(key, "nothing"), new.get(key, "nothing")
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{key} ")
        elif before != after:
            yield f"{path}{key}: {before} -> {after}"

def hear(resource, event, trigger, payload):
    print("; ".join(differences(*payload.states[:2])))

registry.subscribe(hear, resources.PORT, events.AFTER_UPDATE)
for name in ("new", "new"):
    plugin.update_port(context.get_admin_context(), port["id"], {"port": {"name": name}})
shown = plugin.get_port(context.get_admin_context(), port["id"])
print(shown["binding:vif_details"].get("bound_drivers"))
PY
mapfile -t seen < <(timeout 120 "$python" -W ignore "$work/update.py" "$work" 2>"$work/errors")
lost="binding:vif_details bound_drivers: {'0': 'openvswitch'} -> nothing"
expect "a guest's port" "bound as ovs" "${seen[0]-}"
expect "it gets a new name" "$lost; name: old -> new" "${seen[1]-}"
expect "it gets the name that it has" "$lost" "${seen[2]-}"
expect "its drivers by the API, at the end" "{'0': 'openvswitch'}" "${seen[3]-}"
