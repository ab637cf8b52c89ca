#!/usr/bin/env bash
# add_br(may_exist=True) of ovsdbapp, as os-vif calls it for each port, changes the datapath of a bridge that is there.
#
# Software:  ovsdbapp 3.0.0, ovs 4.0.0 (and os-vif 5.3.0 through it), Open vSwitch 3.1.0.
# Expected:  may_exist means what "ovs-vsctl --may-exist add-br" means: a bridge that exists is left as it is.
# Happens:   its datapath_type is written over. os-vif passes "system" wherever a VIF names no datapath type, so one plug of
#            such a VIF takes a userspace integration bridge (type netdev) away from all ports that are on it.
# So:        set a bridge's datapath type only when making it, and refuse a port that wants another.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
python_with ovsdbapp==3.0.0 ovs==4.0.0
cat >"$work/add_br.py" <<'PY'
import sys
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.open_vswitch.impl_idl import OvsdbIdl

idl = connection.OvsdbIdl.from_server(sys.argv[1], "Open_vSwitch")
api = OvsdbIdl(connection.Connection(idl, timeout=20))
api.add_br("br-int", may_exist=True, datapath_type="system").execute(check_error=True)
PY
kind() { vsctl get bridge br-int datapath_type; }
vsctl --no-wait add-br br-int -- set bridge br-int datapath_type=netdev
vsctl --no-wait --may-exist add-br br-int
expect "after ovs-vsctl --may-exist add-br" netdev "$(kind)"
"$python" -W ignore "$work/add_br.py" "unix:$work/db.sock"
expect "after add_br(may_exist=True, datapath_type='system')" system "$(kind)"
