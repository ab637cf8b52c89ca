#!/usr/bin/env bash
# A linux bridge is full with 1,023 ports, not 1,024, and says so with an errno that has no other use here: EXFULL.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  BR_MAX_PORTS is 1 << 10, and documents that speak of the limit say 1,024 ports.
# Happens:   the 1,024th is refused with "Exchange full" (EXFULL): port number 0 is never given.
# So:        a network whose bridge is full is no error for good: a port that leaves makes room.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
{
    echo link add br0 type bridge
    for i in $(seq 1024); do echo "link add p$i type veth peer name q$i"; done
    for i in $(seq 1023); do echo "link set p$i master br0"; done
} >"$work/batch"
ip -n "$ns" -b "$work/batch"
expect "ports in the bridge" 1023 "$(ip -n "$ns" -o link show master br0 | wc -l)"
expect "one more" "RTNETLINK answers: Exchange full" "$(ip -n "$ns" link set p1024 master br0 2>&1)"
