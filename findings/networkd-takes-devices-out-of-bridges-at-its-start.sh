#!/usr/bin/env bash
# A .network file that has no word of bridges makes networkd take a device out of the bridge that somebody else put it in.
#
# Software:  systemd-networkd 252.39 (Debian 12).
# Expected:  a file that matches a device and leaves out Bridge= leaves the device's bridge alone; or, if it does not, the
#            device is taken out whenever it is put in.
# Happens:   networkd takes a device out of its bridge at the moment that it first sets it up. One that is put in later
#            stays, maybe for months, until networkd starts anew: then it is out, and nothing puts it back. So an upgrade of
#            systemd takes all guests whose taps one file for all devices matches off their network. (For one that is made
#            and put in at once it is a race.)
# So:        Unmanaged=yes for what others configure, in a file that comes first, as vif-agent brings one; KeepMaster=yes
#            where networkd is to do the rest. And watch membership: it is not for good.
. "$(dirname "$0")/kit/start.bash"
packages=(systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2)
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}")
for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/root"; done
state=$work/run/systemd/netif
mkdir -p "$work/run/systemd/network" "$state"
chown systemd-network "$state" # networkd gives up being root
network() { # NAME LINE …: a file for that device
    printf '%s\n' '[Match]' "Name=$1" '[Network]' LinkLocalAddressing=no "${@:2}" >"$work/run/systemd/network/50-$1.network"
}
network tap-before
network tap-later
network tap-kept KeepMaster=yes
network tap-others '[Link]' Unmanaged=yes

start_networkd() { # with a /run of its own, without the host's files; a /sys that is read-only says that there is no udev
    LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu/systemd ip netns exec "$ns" unshare --mount sh -e -c '
        mount --bind "$0/run" /run
        mount -o remount,bind,ro /sys
        for place in /etc /lib /usr/lib /usr/local/lib; do
            [ ! -d $place/systemd/network ] || mount -t tmpfs tmpfs $place/systemd/network
        done
        exec "$0/root/lib/systemd/systemd-networkd"' "$work" >>"$work/log" 2>&1 &
    networkd=$!
    pids=("$networkd")
}
stop_networkd() {
    kill "$networkd"
    wait "$networkd" || true
    pids=()
    sleep 0.1
    touch "$work/ended"
}
ip netns add "$ns"
on() { ip -n "$ns" "$@"; }
add() { for tap; do on tuntap add "$tap" mode tap; done; }
join() { for tap; do on link set "$tap" master br0 up; done; }
index() { on -o link show "$1" | cut -d: -f1; }
settled() {
    local file
    file=$state/links/$(index "$1")
    [ "$file" -nt "$work/ended" ] && grep -Eqx 'ADMIN_STATE=(configured|unmanaged)' "$file"
}
seen() { for tap; do until_true settled "$tap"; done; } # by networkd, which has done then what it means to do
members() { on -o link show master br0 | sed 's/^[0-9]*: \([^:]*\):.*/\1/' | sort | xargs; }

on link add br0 type bridge
on link set br0 up
add tap-before tap-kept tap-others
join tap-before tap-kept tap-others
start_networkd
seen tap-before tap-kept tap-others
expect "in the bridge after networkd's start, of tap-before, tap-kept, tap-others" "tap-kept tap-others" "$(members)"
add tap-later
seen tap-later
join tap-before tap-later
sleep 3
expect "after two were put in while it ran" "tap-before tap-kept tap-later tap-others" "$(members)"
stop_networkd
expect "after its end" "tap-before tap-kept tap-later tap-others" "$(members)"
start_networkd
seen tap-before tap-kept tap-later tap-others
expect "after it has started again" "tap-kept tap-others" "$(members)"
