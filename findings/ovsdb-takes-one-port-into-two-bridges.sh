#!/usr/bin/env bash
# One Port row may stand in two bridges: ovs-vswitchd wires it into both without an error, and del-port takes it from one.
#
# Software:  Open vSwitch 3.1.0 (Debian 12), userspace datapath.
# Expected:  a port is in one bridge (ovs-vsctl says so for names): the schema, or at least the column "error" of its
#            interface, keeps a row that an editor of the database adds to a second bridge out of it.
# Happens:   accepted; both bridges show an OpenFlow port with the same port of the datapath and "error" stays empty. Only
#            ovs-vsctl warns, lists the port in the bridge it reads last, and del-port leaves it in the other.
# So:        look for a port's row in all bridges, and take it out of each but the right one.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
for bridge in br0 br1; do vsctl add-br "$bridge" -- set bridge "$bridge" datapath_type=netdev; done
ip -n "$ns" link add name port1 type veth peer name guest
vsctl add-port br0 port1
in_datapath() { ovs-appctl -t "$(echo "$work"/ovs-vswitchd.*.ctl)" dpif/show | grep -c ' port1 '; }
holding() { vsctl --bare --columns=ports list bridge | tr ' ' '\n' | grep -c "$port"; }
port=$(vsctl get port port1 _uuid)
vsctl add bridge br1 ports "$port"
expect "bridges whose row has the port" 2 "$(holding)"
expect "bridges that ovs-vswitchd has wired it into" 2 "$(in_datapath)"
expect "its interface's error" "[]" "$(vsctl get interface port1 error)"
vsctl del-port port1 2>/dev/null
expect "bridges whose row has the port after del-port" 1 "$(holding)"
expect "bridges that it is wired into then" 1 "$(in_datapath)"
