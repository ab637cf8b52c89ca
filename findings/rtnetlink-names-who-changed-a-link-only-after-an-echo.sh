#!/usr/bin/env bash
# The kernel tells who has made or changed a link only if that program itself asked to be told.
#
# Software:  Linux (seen on 6.18), iproute2 (seen with 6.1.0).
# Expected:  a notification of rtnetlink has in nlmsg_pid and nlmsg_seq the socket and the request that it comes from, as
#            its man page says of netlink messages and as nf_tables does ("new generation 2 by process 123 (nft)"). Or it
#            never has, as it comes from the kernel.
# Happens:   both are 0 for `ip link add`, `set` and `del`. For `ip -echo link add` (NLM_F_ECHO, which only has the
#            answer sent to the sender, too) all listeners see the sender's.
# So:        a daemon that watches links cannot say who has undone its work; of nftables it can. vif-agent tells it of
#            guards alone.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
seen=$(ip netns exec "$ns" python3 - <<'END'
import socket, struct, subprocess

listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
listener.bind((0, 1))  # RTMGRP_LINK
listener.settimeout(0.5)
for words in ("link add d0 type bridge", "link set d0 up", "link del d0", "-echo link add d1 type bridge"):
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)
    named = []
    try:
        while True:
            _, _, _, seq, pid = struct.unpack_from("=IHHII", listener.recv(65536))
            named.append(bool(seq) and bool(pid))
    except TimeoutError:
        pass
    print("told" if named and any(named) else "not told" if named else "no event", words, sep=": ")
END
)
is() { sed -n "s/: $1\$//p" <<<"$seen"; }
expect "who did ip link add" "not told" "$(is 'link add d0 type bridge')"
expect "who did ip link set up" "not told" "$(is 'link set d0 up')"
expect "who did ip link del" "not told" "$(is 'link del d0')"
expect "who did ip -echo link add" "told" "$(is '-echo link add d1 type bridge')"
