#!/usr/bin/env bash
# Each change of anything makes ovs-vswitchd write the error of every port that it cannot open, twice.
#
# Software:  Open vSwitch 3.1.0 (Debian 12), userspace datapath.
# Expected:  a port that cannot be opened (here a patch port without its peer) costs one update of its Interface row; later
#            changes of other rows cost none, for its error is the same as before.
# Happens:   at each reconfiguration the column "error" of all such ports is cleared and written again: two updates for
#            each, sent to every client of OVSDB that watches interfaces. With some thousand stale ports one plug floods all.
# So:        do not take an update for a change: compare with what was known. And stale ports are dear; clean them up.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
vsctl add-br br0 -- set bridge br0 datapath_type=netdev
ports=()
for i in $(seq 20); do ports+=(-- add-port br0 "gone$i" -- set interface "gone$i" type=patch options:peer=nowhere); done
vsctl --no-wait "${ports[@]}"
told() { [ "$(vsctl --bare --columns=name find interface 'error!=[]' | grep -c gone)" = 20 ]; }
until_true told
sleep 2
ovsdb-client monitor "unix:$work/db.sock" Open_vSwitch Interface name,error --format=csv >"$work/updates" 2>/dev/null &
pids+=($!)
sleep 1
before=$(wc -l <"$work/updates")
vsctl add-port br0 another -- set interface another type=internal
sleep 4
expect "updates of 20 ports that nobody has touched" 40 "$(tail -n "+$((before + 1))" "$work/updates" | grep -c ',new,"*gone')"
