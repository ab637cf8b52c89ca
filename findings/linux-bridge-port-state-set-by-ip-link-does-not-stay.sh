#!/usr/bin/env bash
# "ip link set ... type bridge_slave state 0" succeeds and disables nothing; "bridge link set ... state 0" does.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  both words set the same attribute of the same port (IFLA_BRPORT_STATE), so both disable it, or one is refused.
# Happens:   both answer 0. After "ip link" the port forwards as before: the same request goes on to tell of a changed
#            device, at which the bridge enables a port that has a carrier. After "bridge link" it stays disabled.
# So:        set a port's state by an RTM_SETLINK of family AF_BRIDGE, and read it back.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip -n "$ns" "$@"; }
state() { on -d link show tap1 | grep -o 'bridge_slave state [a-z]*' | cut -d' ' -f3; }
on link add br0 type bridge
on link add tap1 type veth peer name guest
on link set tap1 master br0
for device in br0 guest tap1; do on link set "$device" up; done
until_true eval '[ "$(state)" = forwarding ]'
on link set tap1 type bridge_slave state 0
expect "state after ip link set tap1 type bridge_slave state 0" forwarding "$(state)"
bridge -n "$ns" link set dev tap1 state 0
expect "state after bridge link set dev tap1 state 0" disabled "$(state)"
