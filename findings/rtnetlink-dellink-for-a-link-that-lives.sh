#!/usr/bin/env bash
# A link that merely leaves a bridge is announced as RTM_DELLINK, with its own index and name, to all who listen to links.
#
# Software:  Linux (seen on 6.18); pyroute2 0.9.7 decodes.
# Expected:  RTM_DELLINK in the group RTNLGRP_LINK means that the link is gone.
# Happens:   the message is the bridge's: the family in its header is AF_BRIDGE (7), and the link lives on. Everything else
#            looks like the end of the link.
# So:        a replica of links must look at ifi_family before it forgets one.
. "$(dirname "$0")/kit/start.bash"
python_with pyroute2==0.9.7
ip netns add "$ns"
cat >"$work/listen.py" <<'PY'
import socket
from pyroute2 import IPRoute
from pyroute2.netlink.rtnl import RTMGRP_LINK
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

with IPRoute() as ip:
    ip.link("add", ifname="br0", kind="bridge")
    ip.link("add", ifname="v0", kind="veth", peer={"ifname": "v1"})
    (bridge,), (port,) = ip.link_lookup(ifname="br0"), ip.link_lookup(ifname="v0")
    ip.link("set", index=port, master=bridge)
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    events.bind((0, RTMGRP_LINK))
    events.settimeout(1)
    ip.link("set", index=port, master=0)
    seen = []
    try:
        while True:
            for message in MarshalRtnl().parse(events.recv(1 << 16)):
                if message["header"]["type"] == 17 and message["index"] == port:  # RTM_DELLINK
                    seen.append(f"family {message['family']} name {message.get_attr('IFLA_IFNAME')}")
    except TimeoutError:
        pass
    print(*seen, "then", "there" if ip.link_lookup(ifname="v0") else "gone")
PY
expect "RTM_DELLINK of a link that leaves a bridge" "family 7 name v0 then there" \
    "$(ip netns exec "$ns" "$python" -W ignore "$work/listen.py")"
