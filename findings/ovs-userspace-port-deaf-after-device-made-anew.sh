#!/usr/bin/env bash
# A tap that is deleted and made anew under an OVS port leaves the port looking well, and deaf for good.
#
# Software:  Open vSwitch 3.1.0 (Debian 12), userspace datapath.
# Expected:  ovs-vswitchd sees the device go and come (it follows netlink) and opens it anew, as the kernel datapath's
#            ports do; or it clears the Interface's ofport or sets its error meanwhile.
# Happens:   ofport and error stay as they were while there is no device at all. After the new device of the same name is
#            up, even ifindex in the database is the new one, but what a guest sends is received from nowhere.
# So:        "ofport is set and error is empty" does not mean that traffic flows. Ask for another ofport_request once the
#            device was made anew: the port is then opened again.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
cat >"$work/frames.py" <<'PY'
"""Holds t0 and t1 as two guests would, sends 20 frames into t0, prints how many come out of t1."""
import fcntl, os, select, struct, time

def guest(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
    return fd

one, other = guest("t0"), guest("t1")
time.sleep(1)
frame = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + b"finding" * 8
seen = 0
for _ in range(20):
    os.write(one, frame)
    end = time.monotonic() + 0.1
    while (left := end - time.monotonic()) > 0 and select.select([other], [], [], left)[0]:
        seen += b"finding" in os.read(other, 2048)
print(seen)
PY
on() { ip netns exec "$ns" "$@"; }
tap() {
    on ip tuntap add "$1" mode tap
    on ip link set "$1" up
}
told() { vsctl get interface t0 ofport error | tr '\n' ' '; }

vsctl add-br br0 -- set bridge br0 datapath_type=netdev
tap t0
tap t1
vsctl add-port br0 t0 -- add-port br0 t1
expect "ofport and error" "1 [] " "$(told)"
expect "frames of 20" 20 "$(on python3 "$work/frames.py")"
on ip link del t0
sleep 2
expect "ofport and error with no device there" "1 [] " "$(told)"
tap t0
sleep 2
expect "ofport and error with the new device" "1 [] " "$(told)"
expect "ifindex in the database" "$(on cat /sys/class/net/t0/ifindex)" "$(vsctl get interface t0 ifindex)"
expect "frames of 20 with the new device" 0 "$(on python3 "$work/frames.py")"
vsctl set interface t0 ofport_request=40000
expect "frames of 20 after another ofport_request" 20 "$(on python3 "$work/frames.py")"
