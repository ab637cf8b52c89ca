#!/usr/bin/env bash
# An alternative name that comes or goes is told to listeners only while the link is up.
#
# Software:  Linux (seen on 6.18), iproute2.
# Expected:  every change of what "ip link" shows brings an RTM_NEWLINK to those who listen to RTNLGRP_LINK.
# Happens:   of a link that is up it does. Of one that is down: nothing, neither when the name comes nor when it goes. A
#            listener that keeps a table of names goes on believing that a name is taken, or free.
# So:        whoever waits for a name to be free has to look again now and then.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
on() { ip netns exec "$ns" "$@"; }
on ip link add br0 type bridge
on ip -o monitor link >"$work/told" &
sleep 1
lines() { # after the command: how many lines the listener got
    local before
    before=$(wc -l <"$work/told")
    "$@"
    sleep 0.7
    local after
    after=$(wc -l <"$work/told")
    if [ "$after" -gt "$before" ]; then echo told; else echo silence; fi
}
expect "down: name added" silence "$(lines on ip link property add dev br0 altname other)"
expect "down: name removed" silence "$(lines on ip link property del dev br0 altname other)"
on ip link set br0 up
sleep 1
expect "up: name added" told "$(lines on ip link property add dev br0 altname other)"
expect "up: name removed" told "$(lines on ip link property del dev br0 altname other)"
