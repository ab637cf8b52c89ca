#!/usr/bin/env bash
# Where udev runs, a bridge does not take the MAC of its NIC, and loses it a moment after it has taken it.
#
# Software:  udev 252.39 (Debian 12) with the 99-default.link that it brings; Linux (seen on 6.18).
# Expected:  a bridge to which nobody has given a MAC has that of its first port: what asks for an address by DHCP, and what
#            the switch lets in, is the NIC's. So one sees it where the bridge is made, on a quiet machine or a busy one.
# Happens:   MACAddressPolicy=persistent sets the MAC of all that comes with a random one, made of the machine's ID and the
#            name; the kernel takes it for chosen, and the bridge follows no port any more. udev does so when it gets to it:
#            a bridge that has its NIC's by then has it taken away, under its addresses. One that was set stays, even if to
#            the same.
# So:        set the MAC of a bridge by name, also when it is right already; better in the message that makes it. And bring a
#            .link file with MACAddressPolicy=none for one's own devices, as vif-agent does.
. "$(dirname "$0")/kit/start.bash"
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download udev=252.39-1~deb12u2)
dpkg -x "$work"/udev_*.deb "$work/root"
mkdir -p "$work"/{etc,run/udev/rules.d,run/systemd/network}
cp /etc/{passwd,group,nsswitch.conf} "$work/etc/"
tr -d - </proc/sys/kernel/random/uuid >"$work/etc/machine-id"
cp "$work/root/lib/udev/rules.d/80-net-setup-link.rules" "$work/run/udev/rules.d/"
cp "$work/root/lib/systemd/network/99-default.link" "$work/run/systemd/network/"
printf '%s\n' '[Match]' OriginalName=br-ours '[Link]' MACAddressPolicy=none >"$work/run/systemd/network/00-ours.link"
ip netns add "$ns"
# with these rules and files only, and a /dev of its own: it hears of the host's devices as well
ip netns exec "$ns" unshare --mount bash -e -c '
    for place in etc run; do mount --bind "$0/$place" "/$place"; done
    mount -t tmpfs tmpfs /dev
    for place in {,/usr,/usr/local}/lib/{systemd/network,udev/rules.d}; do
        [ ! -d "$place" ] || mount -t tmpfs tmpfs "$place"
    done
    exec -a systemd-udevd "$0/root/bin/udevadm"' "$work" >"$work/log" 2>&1 &
udevd=$!
pids=("$udevd")
control() { nsenter --target "$udevd" --mount "$work/root/bin/udevadm" control "$@"; }
on() { ip -n "$ns" "$@"; }
mac() { on -o link show "$1" | grep -o 'ether [^ ]*' | cut -d' ' -f2; }
nic() { # NAME: a NIC of that bridge's; its MAC is its own
    number=$((${number:-0} + 1))
    on link add "nic-$1" address "52:54:00:00:00:0$number" type veth peer name "wire-$1" address "52:54:00:00:01:0$number"
}
whose() { if [ "$(mac "$1")" = "$(mac "nic-$1")" ]; then echo "its NIC's"; else echo another; fi; }
done_with() { [ -e "$work/run/udev/data/n$(on -o link show "$1" | cut -d: -f1)" ]; }

until_true test -S "$work/run/udev/control"
until_true control --ping
for bridge in br-first br-then br-set br-ours; do nic "$bridge"; done
until_true done_with wire-br-ours
on link add br-first type bridge
until_true done_with br-first
on link set nic-br-first master br-first
expect "MAC of a bridge that udev knew before it had its NIC" another "$(whose br-first)"
control --stop-exec-queue # as if it had much to do
for bridge in br-then br-set br-ours; do
    on link add "$bridge" type bridge
    on link set "nic-$bridge" master "$bridge"
done
on link set br-set address "$(mac nic-br-set)"
expect "of one that has its NIC before udev comes to it" "its NIC's" "$(whose br-then)"
control --start-exec-queue
for bridge in br-then br-set br-ours; do until_true done_with "$bridge"; done
expect "of the same a moment later" another "$(whose br-then)"
expect "of one that was set to what it had" "its NIC's" "$(whose br-set)"
expect "of one with MACAddressPolicy=none" "its NIC's" "$(whose br-ours)"
