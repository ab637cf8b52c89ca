"""Numbers of include/uapi/linux/if_link.h and if_tun.h that are used on both sides."""

ADDRESS, IFNAME, MTU, LINK, MASTER, LINKINFO, IFALIAS, AF_SPEC, GROUP, EXT_MASK, CARRIER = (
    1, 3, 4, 5, 10, 18, 20, 26, 27, 29, 33,
)  # fmt: skip
OPERSTATE, OPER_UP = 16, 6
PROTINFO = 12
VFINFO_LIST, VF_INFO = 22, 1
VF_MAC, VF_VLAN, VF_SPOOFCHK, VF_LINK_STATE, VF_RATE, VF_TRUST = 1, 2, 4, 5, 6, 9
PROP_LIST, ALT_IFNAME = 52, 53
INFO_KIND, INFO_DATA, INFO_SLAVE_KIND, INFO_SLAVE_DATA = 1, 2, 4, 5
BR_FORWARD_DELAY, BR_AGEING_TIME, BR_STP_STATE, BR_MCAST_SNOOPING = 1, 4, 5, 23
#: values and which of them count, 32 bits each; the first: learn no MAC from link-local frames
BR_MULTI_BOOLOPT, NO_LINK_LOCAL_LEARNING = 46, 1
#: of a port of a bridge: IFLA_BRPORT_*
PORT_STATE, PORT_LEARNING, PORT_FLOOD, PORT_BROADCAST, PORT_ISOLATED, PORT_LOCKED = (
    1, 8, 9, 30, 33, 39,
)  # fmt: skip
TUN_TYPE, TUN_PERSIST, TUN_MULTI_QUEUE, TUN_NUM_QUEUES, TUN_NUM_DISABLED_QUEUES = 3, 6, 7, 8, 9
VETH_INFO_PEER = 1
VLAN_ID = 1
VXLAN_ID, VXLAN_GROUP, VXLAN_LINK, VXLAN_LOCAL, VXLAN_TTL, VXLAN_PORT = 1, 2, 3, 4, 5, 15
VXLAN_GROUP6, VXLAN_LOCAL6, VXLAN_EXTERNAL = 16, 17, 25

#: kinds of device that stand on another one, their IFLA_LINK, and go with it
STACKED = ("vlan", "macvlan", "macvtap")

UP, PROMISC = 0x1, 0x100
USER_HZ = 100  # bridge times cross the ABI in 1/100 s
# RTEXT_FILTER_*, for EXT_MASK: show the VFs too; leave the counters out
WITH_VFS, SKIP_STATS = 1, 8
