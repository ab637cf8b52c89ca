#!/usr/bin/env bash
# ovsdb-server answers a transaction that its full disk refused with a success for each operation, and one result more.
#
# Software:  ovsdb-server 3.1.0 (Debian 12).
# Expected:  the operations that were not carried out have an error in their place (RFC 7047, 4.1.3, speaks of the failed
#            operation and null for those after it); whoever sent one operation looks at one result.
# Happens:   {"uuid": …} for the insert, then an element beyond the number of operations: "I/O error", "No space left on
#            device". Nothing was written. With room again the same transaction succeeds; the server goes on meanwhile.
# So:        look at all elements of the answer, also those beyond the operations; and take this error for one that passes.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
mkdir "$work/disk"
mount -t tmpfs -o size=200k tmpfs "$work/disk"
trap 'umount -l "$work/disk"; finish' EXIT
ovsdb-tool create "$work/disk/conf.db" "$work/root/usr/share/openvswitch/vswitch.ovsschema"
ovsdb-server "$work/disk/conf.db" "--remote=punix:$work/small.sock" "--unixctl=$work/small.ctl" >/dev/null 2>&1 &
pids+=($!)
until_true ovsdb-client list-dbs "unix:$work/small.sock"

insert() { # prints for each element of the answer what it is
    ovsdb-client transact "unix:$work/small.sock" \
        '["Open_vSwitch", {"op": "insert", "table": "QoS", "row": {"type": "linux-noop"}}]' |
        python3 -c 'import json, sys; print(*(e.get("error") or "uuid" for e in json.load(sys.stdin)), sep=", ")'
}
expect "one insert, with room" "uuid" "$(insert)"
dd if=/dev/zero of="$work/disk/ballast" bs=512 2>/dev/null || true
said=uuid
for _ in $(seq 50); do # the last page of the file has some room yet
    [ "$said" = uuid ] || break
    said=$(insert)
done
expect "one insert, on a full disk" "uuid, I/O error" "$said"
rm "$work/disk/ballast"
expect "one insert, with room again" "uuid" "$(insert)"
