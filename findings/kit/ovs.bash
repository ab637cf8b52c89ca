# Sourced after start.bash: Debian 12's Open vSwitch 3.1.0, unpacked, with the userspace datapath, in namespace $ns.
packages=(openvswitch-switch=3.1.0-2+deb12u1 openvswitch-common=3.1.0-2+deb12u1 libxdp1=1.3.1-1)
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}")
for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/root"; done
export LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu PATH=$work/root/usr/bin:$work/root/usr/sbin:$PATH
export OVS_RUNDIR=$work OVS_LOGDIR=$work OVS_SYSCONFDIR=$work

vsctl() { ovs-vsctl --db="unix:$work/db.sock" --timeout=20 "$@"; }

start_ovsdb() {
    ovsdb-server "$work/conf.db" "--remote=punix:$work/db.sock" >/dev/null 2>&1 &
    pids+=($!)
    until_true vsctl --no-wait init
}

start_vswitchd() {
    ip netns exec "$ns" "$work/root/usr/lib/openvswitch-switch/ovs-vswitchd" "unix:$work/db.sock" --disable-system \
        >/dev/null 2>&1 &
    pids+=($!)
}

ip netns add "$ns"
ovsdb-tool create "$work/conf.db" "$work/root/usr/share/openvswitch/vswitch.ovsschema"
start_ovsdb
start_vswitchd
