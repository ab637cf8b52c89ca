#!/usr/bin/env bash
# A VXLAN device asked for with an MTU that does not fit is made with a smaller one; asked later, the answer is EINVAL.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  the same request has the same answer, at creation and afterwards; and a refusal says what is wrong, as the
#            kernel does for most settings of VXLAN (extended acknowledgement).
# Happens:   at creation success, with the MTU cut to what the lower device allows. As a change: "Invalid argument" and no
#            extended text.
# So:        read the MTU back after making the device, and compute the room (50 bytes with IPv4) to be able to explain.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip -n "$ns" "$@"; }
mtu() { ip netns exec "$ns" cat "/sys/class/net/$1/mtu"; }
on link add v0 type veth peer name v1
on addr add 192.0.2.1/24 dev v0
on link set v0 up
on link add x0 mtu 1500 type vxlan id 7 local 192.0.2.1 dev v0 dstport 4789
expect "MTU of a new device asked to have 1500, over one with 1500" 1450 "$(mtu x0)"
said=$(on link set x0 mtu 1500 2>&1) || true
expect "the same asked of it later" "RTNETLINK answers: Invalid argument" "$said"
