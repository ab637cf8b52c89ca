#!/usr/bin/env bash
# "ip link add br0 mtu 1450 type bridge" is no choice of an MTU: the bridge follows its ports all the same.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  a bridge whose MTU was given keeps it; one without follows the least of its ports'. So it is after
#            "ip link set br0 mtu 1450".
# Happens:   the MTU of the message that makes the bridge counts until the first port joins or changes. Only a later change
#            of the bridge's MTU marks it as chosen. Two hosts whose bridges were made alike differ by what was done after.
# So:        set the MTU once more, by a message of its own, after the bridge is there.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip -n "$ns" "$@"; }
mtu() { on -o link show "$1" | grep -o 'mtu [0-9]*' | cut -d' ' -f2; }
for bridge in br0 br1; do
    on link add "$bridge" mtu 1450 type bridge
    on link add "tap-$bridge" mtu 1450 type veth peer name "guest-$bridge"
done
on link set br1 mtu 1400
on link set br1 mtu 1450
for bridge in br0 br1; do
    on link set "tap-$bridge" master "$bridge"
    on link set "tap-$bridge" mtu 1500
done
expect "MTU of a bridge made with 1450, its port's raised to 1500" 1500 "$(mtu br0)"
expect "MTU of one made with 1450 and set to it later" 1450 "$(mtu br1)"
