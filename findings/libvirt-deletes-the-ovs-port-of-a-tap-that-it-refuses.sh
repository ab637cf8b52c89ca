#!/usr/bin/env bash
# A guest that libvirt refuses because its tap is there already costs that tap its Open vSwitch port, whoever has made it.
#
# Software:  libvirt 9.0.0 (Debian 12) with its QEMU, Open vSwitch 3.1.0.
# Expected:  "The tap0 interface already exists": the guest does not start, and what was there stays as it was. So it is with
#            a linux bridge.
# Happens:   after a start that has failed libvirt undoes what the guest was to have, not what was made for it: with
#            <virtualport type='openvswitch'/> it deletes the port of the tap's name; with type='ethernet' the very device.
#            A second guest with the tap of a first one is refused, and the first one runs on without a network.
# So:        type='ethernet' and managed='no' for taps and ports that others make: those stay, after the guest's end, too.
#            And a start that was refused may have changed something all the same.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/ovs.bash"
host=$work/host # libvirt's and its guests' root directory
mkdir -p "$work"/apt/{lists/partial,debs/partial}
"$(dirname "$0")/../scripts/debian-sources" bookworm >"$work/apt/sources"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/apt/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
    -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache::archives=$work/apt/debs" -o Dir::Cache::pkgcache=
    -o Dir::Cache::srcpkgcache= -o Dir::State::status=/dev/null)
"${apt[@]}" update
"${apt[@]}" -y -d --no-install-recommends install dash qemu-system-x86 openvswitch-{common,switch}=3.1.0-2+deb12u1 \
    libvirt0=9.0.0-4+deb12u2 libvirt-{clients,daemon,daemon-driver-qemu}=9.0.0-4+deb12u2
for deb in "$work"/apt/debs/*.deb; do dpkg -x "$deb" "$host"; done
mkdir -p "$host"/{dev,proc,sys,run,tmp,etc/libvirt,"$work"}
ln -s /run "$host/var/run"
printf '%s:x:%s::/:/bin/sh\n' root 0:0 libvirt-qemu 64055:64055 >"$host/etc/passwd"
printf '%s:x:%s:\n' root 0 libvirt-qemu 64055 >"$host/etc/group"
printf '%s\n' 'auth_unix_rw = "none"' 'unix_sock_group = "root"' "host_uuid = \"$(cat /proc/sys/kernel/random/uuid)\"" \
    >"$host/etc/libvirt/libvirtd.conf"
printf '%s\n' 'user = "root"' 'group = "root"' 'cgroup_controllers = []' 'namespaces = []' 'security_driver = "none"' \
    'stdio_handler = "file"' >"$host/etc/libvirt/qemu.conf"

# of its own: root, /dev without KVM, processes (they all end with its first one)
ip netns exec "$ns" unshare --mount --pid --fork --kill-child=KILL sh -e -c '
    for place in sys "${0#/}"; do mount --bind "/$place" "$0/host/$place"; done
    mount -t proc proc "$0/host/proc"
    mount -t tmpfs tmpfs "$0/host/dev"
    mkdir "$0/host/dev/net" "$0/host/dev/shm"
    for device in null zero random urandom net/tun; do cp -a "/dev/$device" "$0/host/dev/$device"; done
    env -i LC_ALL=C OVS_RUNDIR="$0" PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$0/host" libvirtd &
    wait' "$work" >"$work/libvirtd.out" 2>&1 &
pids+=($!)
virsh() { env -i LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$host" virsh -q "$@"; }
until_true virsh list

guest() { # NAME TYPE TAP'S ATTRIBUTES [WHAT IT IS CONNECTED TO]: starts it; prints why it was refused
    cat >"$host/tmp/$1.xml" <<XML
<domain type='qemu'>
  <name>$1</name> <memory unit='MiB'>64</memory> <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='$2'><target $3/>${4:-}<model type='virtio'/></interface>
  </devices>
</domain>
XML
    virsh create "/tmp/$1.xml" 2>&1 | sed -n 's/^error: .*: \(The .* already exists\)$/\1/p'
}
in_ovs="<source bridge='br-int'/><virtualport type='openvswitch'/>"
in_linux="<source bridge='br0'/>"
ports() { vsctl list-ports br-int | xargs; }
on() { ip -n "$ns" "$@"; }
taps() { on -br link show "$@" | cut -d' ' -f1 | grep tap | sort | xargs; }

vsctl add-br br-int -- set bridge br-int datapath_type=netdev
on link add br0 type bridge
for tap in tap-others tap-linux tap-ethernet; do on tuntap add "$tap" mode tap; done
on link set tap-linux master br0
vsctl add-port br-int tap-others -- add-port br-int tap-ethernet
guest first bridge "dev='tap-first'" "$in_ovs"
expect "ports, of a guest and of others" "tap-ethernet tap-first tap-others" "$(ports)"
expect "a second guest with the first one's tap" "The tap-first interface already exists" \
    "$(guest second bridge "dev='tap-first'" "$in_ovs")"
expect "ports then" "tap-ethernet tap-others" "$(ports)"
expect "the first guest" "running" "$(virsh domstate first)"
expect "one with others' tap" "The tap-others interface already exists" "$(guest second bridge "dev='tap-others'" "$in_ovs")"
expect "ports then" "tap-ethernet" "$(ports)"
expect "one with a tap in a linux bridge" "The tap-linux interface already exists" \
    "$(guest second bridge "dev='tap-linux'" "$in_linux")"
expect "in the linux bridge then" "tap-linux" "$(taps master br0)"
guest managed ethernet "dev='tap-ethernet' managed='no'"
virsh destroy managed
expect "ports after the end of one whose tap is not managed" "tap-ethernet" "$(ports)"
expect "one whose tap is managed" "The tap-ethernet interface already exists" "$(guest second ethernet "dev='tap-ethernet'")"
expect "devices then" "tap-first tap-linux tap-others" "$(taps)"
