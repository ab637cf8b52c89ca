#!/usr/bin/env bash
# A neighbour entry set as permanent goes when its device's MAC changes, as a bridge's does when a member comes or goes.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  nud permanent is "valid forever", and only its owner removes it: neither a timeout nor "ip neigh flush" does.
# Happens:   the kernel drops all neighbours of a device whose own MAC changes, permanent ones too. A bridge without a MAC of
#            its own has the lowest of its members': a tap that leaves can take the host's static ARP entries along.
# So:        give such a bridge a MAC of its own, and write static entries again after a change.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip -n "$ns" "$@"; }
entries() { on neigh show nud permanent dev br0 | grep -c 192.0.2.9 || true; }
on link add br0 type bridge
on link add high address 0a:00:00:00:00:02 type veth peer name high1
on link add low address 02:00:00:00:00:01 type veth peer name low1
for device in br0 high low; do on link set "$device" up; done
on link set high master br0
on link set low master br0
on addr add 192.0.2.1/24 dev br0
on neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 nud permanent dev br0
on neigh flush dev br0
expect "entries after a flush" 1 "$(entries)"
on link set low nomaster
expect "entries after the member of the lowest MAC has left" 0 "$(entries)"
