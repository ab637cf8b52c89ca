#!/usr/bin/env bash
# OVSDB refuses to delete a port and its QoS in one transaction, though nothing refers to the QoS at its end.
#
# Software:  Open vSwitch 3.1.0 (Debian 12): ovsdb-server, ovs-vsctl.
# Expected:  references are checked as the transaction leaves the database (RFC 7047, 4.1.3): a Port that goes with it holds
#            none. At least "clear port X qos" before it in the same ovs-vsctl command lets it go.
# Happens:   the Port only leaves its bridge; its row is collected as garbage after the check of references, and until then
#            its column "qos" holds the QoS: "cannot delete QoS row because of 1 remaining reference(s)", all is refused.
#            "clear" in the same command changes nothing, for the client sends no change of a row that it also drops. With
#            del-port alone the QoS, which nobody collects, stays for ever.
# So:        clear "qos" in a transaction before, or send the update of the row that goes by hand.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
vsctl add-br br0 -- set bridge br0 datapath_type=netdev
port() {
    vsctl --no-wait add-port br0 "$1" -- set interface "$1" type=internal \
        -- set port "$1" qos=@new -- --id=@new create qos type=linux-htb
}
count() { vsctl --bare --columns=_uuid list qos | grep -c . || true; }
refused() {
    vsctl --no-wait "$@" 2>"$work/error" || grep -o 'referential integrity violation' "$work/error" | head -1
}
qos=$(port one)
none="referential integrity violation"
expect "del-port one -- destroy qos" "$none" "$(refused del-port one -- destroy qos "$qos")"
expect "clear port one qos -- del-port one -- destroy qos" "$none" \
    "$(refused clear port one qos -- del-port one -- destroy qos "$qos")"
vsctl --no-wait del-port one
expect "QoS rows after del-port one" 1 "$(count)"
vsctl --no-wait destroy qos "$qos"

qos=$(port two)
row='["uuid","'$(vsctl get port two _uuid)'"]'
ovsdb-client transact "unix:$work/db.sock" '["Open_vSwitch",
    {"op":"update","table":"Port","where":[["_uuid","==",'"$row"']],"row":{"qos":["set",[]]}},
    {"op":"mutate","table":"Bridge","where":[],"mutations":[["ports","delete",'"$row"']]},
    {"op":"delete","table":"QoS","where":[["_uuid","==",["uuid","'"$qos"'"]]]}]' >/dev/null
expect "QoS rows after the same by hand, the row's column cleared" 0 "$(count)"
expect "ports of br0" "" "$(vsctl list-ports br0)"
