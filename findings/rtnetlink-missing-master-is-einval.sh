#!/usr/bin/env bash
# A link put into a bridge that does not exist is told "Invalid argument", not "No such device".
#
# Software:  Linux (seen on 6.18); pyroute2 0.9.7 sends the message.
# Expected:  IFLA_MASTER with the index of no device fails with ENODEV, as every other index of no device does.
# Happens:   EINVAL. The same number tells of a message that is malformed, so the errno cannot say whether to try again:
#            for a bridge that somebody else is about to make the difference is "wait" against "never".
# So:        look the master up before the message goes, and answer for it yourself.
. "$(dirname "$0")/kit/start.bash"
python_with pyroute2==0.9.7
ip netns add "$ns"
cat >"$work/ask.py" <<'PY'
import errno, sys
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

with IPRoute() as ip:
    ip.link("add", ifname="v0", kind="veth", peer={"ifname": "v1"})
    (mine,) = ip.link_lookup(ifname="v0")
    fields = {"master": {"index": mine, "master": 4242}, "index": {"index": 4242, "state": "up"}}
    try:
        ip.link("set", **fields[sys.argv[1]])
    except NetlinkError as error:
        print(errno.errorcode[error.code])
    ip.link("del", index=mine)
PY
ask() { ip netns exec "$ns" "$python" -W ignore "$work/ask.py" "$1"; }
expect "a change of device 4242, which is not there" ENODEV "$(ask index)"
expect "a device put into master 4242, which is not there" EINVAL "$(ask master)"
