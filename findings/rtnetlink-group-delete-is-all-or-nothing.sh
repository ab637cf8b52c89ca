#!/usr/bin/env bash
# One device that cannot be deleted keeps a whole link group: "ip link del group" removes nothing, and does not say why.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  of a group's devices those go that can be deleted, or the answer names the one that cannot.
# Happens:   EOPNOTSUPP for the whole group, and every device stays. Which one was in the way is not told.
# So:        after a refusal delete one by one, so that each device has an answer of its own.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip netns exec "$ns" "$@"; }
there() { on ip -o link show "$1" >/dev/null 2>&1 && echo there || echo gone; }

on ip link add v0 type veth peer name v1
on ip link add br0 type bridge
for device in v0 br0 lo; do on ip link set "$device" group 77; done
said=$(on ip link del group 77 2>&1) || true
expect "the answer" "RTNETLINK answers: Operation not supported" "$said"
expect "the bridge and the veth" "there there" "$(there br0) $(there v0)"
on ip link set lo group 0
on ip link del group 77
expect "without the loopback in the group" "gone gone" "$(there br0) $(there v0)"
