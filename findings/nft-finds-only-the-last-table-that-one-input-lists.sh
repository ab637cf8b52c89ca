#!/usr/bin/env bash
# nft that is asked for two tables in one input finds only the table named last.
#
# Software:  nftables (seen with 1.0.6 of Debian 12).
# Expected:  one input of two `list table` commands answers as the two commands do one by one.
# Happens:   the table that is not named last is "No such file or directory", in either order, of one family or of two. As
#            one command is wrong nothing is printed at all, and nft exits 1. The same table twice is listed twice.
# So:        one nft for each table that is listed, or `list ruleset`. vif-agent reads by netlink; its tests and documents
#            call nft once for each table.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
nft() { ip netns exec "$ns" nft "$@" 2>&1; }
listed() { printf 'list table %s\n' "$@" | nft -f - | grep -e '^table' -e Error | sed 's/ {$//; s/.*Error/Error/' | paste -sd, -; }

nft add table bridge a
nft add table bridge c
nft add table inet b
expect "one by one" "table bridge a table bridge c" "$(listed 'bridge a') $(listed 'bridge c')"
expect "the same one twice" "table bridge a,table bridge a" "$(listed 'bridge a' 'bridge a')"
for pair in "bridge a:bridge c" "bridge c:bridge a" "bridge a:inet b" "inet b:bridge a"; do
    expect "$pair" "Error: No such file or directory" "$(listed "${pair%:*}" "${pair#*:}")"
done
