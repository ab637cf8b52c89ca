#!/usr/bin/env bash
# Who owns a persistent table of nftables gets "not supported" for making sure that it is there, unless the flags are named.
#
# Software:  Linux (seen on 6.18; the flag persist is there since 6.9). nft 1.0.6 cannot name it: this talks netlink itself.
# Expected:  NEWTABLE without NLM_F_EXCL for a table that exists is "add table": no error, as for any other table; to its owner
#            at least, who may change all that is in it.
# Happens:   with flags 0 (nft always sends them) the owner has EOPNOTSUPP, the very answer of a kernel without these flags:
#            a probe under the table's own name says that the kernel cannot what it just does. With the flags, or with no
#            attribute for flags at all, the answer is success.
# So:        name the flags each time, also where it is only asked whether the kernel knows them. vif-agent does.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
cat >"$work/owner.py" <<'PY'
import os, socket, struct

NFNL_SUBSYS_NFTABLES, BATCH_BEGIN, BATCH_END = 10, 16, 17
NEWTABLE = NFNL_SUBSYS_NFTABLES << 8
REQUEST, ACK, CREATE = 1, 4, 0x400
OWNER, PERSIST = 2, 4
INET, NETLINK_NETFILTER = 1, 12

def attribute(kind, value):
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + bytes(-size % 4)

def message(kind, flags, family=0, resource=0, attributes=b""):
    return struct.pack("=IHHIIBBH", 20 + len(attributes), kind, flags, 1, 0, family, 0, resource) + attributes

def add_table(name, flags=None):
    asked = attribute(1, name.encode() + b"\0")
    if flags is not None:
        asked += attribute(2, struct.pack(">I", flags))
    whole = socket.htons(NFNL_SUBSYS_NFTABLES)
    netfilter.send(
        message(BATCH_BEGIN, REQUEST, resource=whole)
        + message(NEWTABLE, REQUEST | ACK | CREATE, INET, attributes=asked)
        + message(BATCH_END, REQUEST, resource=whole)
    )
    code = -struct.unpack_from("=i", netfilter.recv(65536), 16)[0]
    return os.strerror(code) if code else "done"

netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
netfilter.settimeout(20)
netfilter.bind((0, 0))
print(add_table("held", OWNER | PERSIST), add_table("held", OWNER | PERSIST), add_table("held"), add_table("held", 0))
print(add_table("common", 0), add_table("common", 0))
PY
mapfile -t seen < <(ip netns exec "$ns" python3 "$work/owner.py")
expect "a common table, made and made sure of" "done done" "${seen[1]}"
expect "one with owner and persist: made, made sure of with these flags, without the attribute, with flags 0" \
    "done done done Operation not supported" "${seen[0]}"
