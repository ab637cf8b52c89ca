#!/usr/bin/env bash
# A set of concatenated ranges takes 10.1.2.0/24 and then 10.1.0.0/16 around it, but refuses the two the other way round.
#
# Software:  Linux (seen on 6.18), nftables (seen with 1.0.6).
# Expected:  ranges that overlap are refused, or taken, whichever comes first: a set has no order.
# Happens:   the wider one is taken when it comes later, and both are in the set. The narrower one is refused (EEXIST) when
#            it comes later. So what a set can hold depends on how it came to be.
# So:        leave out what lies within another before the kernel is asked (ipaddress.collapse_addresses), and rely on
#            neither answer. vif-agent does so with a port's allowed address pairs.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
nft() { ip netns exec "$ns" nft "$@" 2>&1; }
add() { nft add element inet t "$1" "{ tap0 . $2 }" | sed -n '1s/.*: //p'; }

nft add table inet t
for set in narrow_first wide_first; do nft add set inet t $set '{ type ifname . ipv4_addr; flags interval; }'; done
expect "10.1.2.0/24 in an empty set" "" "$(add narrow_first 10.1.2.0/24)"
expect "then 10.1.0.0/16" "" "$(add narrow_first 10.1.0.0/16)"
expect "elements of that set" 2 "$(nft list set inet t narrow_first | grep -o '"tap0"' | wc -l)"
expect "10.1.0.0/16 in an empty set" "" "$(add wide_first 10.1.0.0/16)"
expect "then 10.1.2.0/24" "File exists" "$(add wide_first 10.1.2.0/24)"
