#!/usr/bin/env bash
# An interface's IPv6 sysctls are forgotten when its MTU goes below 1280 and comes back.
#
# Software:  Linux (seen on 6.18), no package.
# Expected:  disable_ipv6=1, set for one interface, holds until somebody sets it to 0 or the interface goes.
# Happens:   below 1280 the kernel takes IPv6 off the interface, and its directory in /proc/sys with it. Back at 1500 it
#            comes with the defaults: disable_ipv6=0, accept_ra=1, and a link-local address at once if the link is up.
# So:        IPv6 must be off (for this interface, again) before traffic can follow a raised MTU. It can only be
#            switched off per interface after the change, or by "default" before it, which is every interface's.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip netns exec "$ns" "$@"; }
setting() { on sysctl -n "net.ipv6.conf.v0.$1" 2>/dev/null || echo "no such setting"; }

on ip link add v0 type veth peer name v1
on sysctl -qw net.ipv6.conf.v0.disable_ipv6=1 net.ipv6.conf.v0.accept_ra=0
on ip link set v0 up
on ip link set v1 up
expect "disable_ipv6 at MTU 1500" 1 "$(setting disable_ipv6)"
on ip link set v0 mtu 1200
expect "disable_ipv6 at MTU 1200" "no such setting" "$(setting disable_ipv6)"
on ip link set v0 mtu 1500
expect "disable_ipv6 at MTU 1500 again" 0 "$(setting disable_ipv6)"
expect "accept_ra at MTU 1500 again" 1 "$(setting accept_ra)"
expect "link-local addresses" 1 "$(on ip -6 -o addr show dev v0 scope link | wc -l)"
