"""Names of devices, and those that mean something on a host. Pure."""

import re

#: Linux allows more (anything but "/", ":" and white space); nova and OVS use no more than this.
DEVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,14}\Z")

#: given by the kernel, udev and systemd (systemd.net-naming-scheme), or by switches and containers
_WORDS = (
    r"lo|all|default",
    r"(eth|usb|ib|wlan|wwan|wl|ww|sl|bond|team|dummy|ifb|nlmon|sit|tun|ipvtap|macvtap"
    r"|macvlan|ipvlan|vlan|vxlan|geneve|gre|gretap|erspan|ip_vti|ip6_vti|ip6tnl|ip6gre|tunl|wg|vti"
    r"|vrf|br|virbr|vmbr|docker|podman|cni|lxcbr|lxdbr|xenbr|ovsbr|can|ppp|mgmt|idrac)\d+|veth[0-9a-f]*",
    r"(en|ib|sl|wl|ww)(x[0-9a-f]{12}|[bcdosvuP]\d.*|p\d+s.*|a\w+i\d+)",
    r"(br|ovs|int|phy|patch|docker|cilium|flannel|kube|vxlan|geneve|genev|gre)[-_].*",
    r"(brq|qbr|qvb|qvo|pb|pbp|ibp)[0-9a-f]{8}-.*|tbr-.*|(qr|qg|ha|fg|sg|fpr|rfp)-.*",
    r"(?!vif\d).*\.\d+",
)
_MEANS_SOMETHING = re.compile("|".join(f"({word})" for word in _WORDS))


def means_something(name: str) -> bool:
    """Is it the name of a NIC, a bond, a bridge, a VLAN device or the like? A port's device must
    not be called so: it would be taken for that, or come before it."""
    return _MEANS_SOMETHING.fullmatch(name) is not None
