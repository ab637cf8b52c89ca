"""What the rules look up: which port may say what. Pure. All but two begin with the device.

Their names and types are read by later versions, which take over what a port has: they stay.
"""

from vif_agent.host.nft.words import ETHERTYPE_NUMBER, IFNAME, IP4, IP6, MAC, Set

#: the ports whose frames are looked at; each with its port's id as the comment
GUARDED = Set("guarded", (IFNAME,))
#: its MAC addresses
MACS = Set("macs", (IFNAME, MAC))
#: which of its MAC addresses may have which addresses: one, any, one of a network
ONE4, ANY4, NET4 = (
    Set("one4", (IFNAME, MAC, IP4)),
    Set("any4", (IFNAME, MAC)),
    Set("net4", (IFNAME, MAC, IP4), ranges=True),
)
ONE6, ANY6, NET6 = (
    Set("one6", (IFNAME, MAC, IP6)),
    Set("any6", (IFNAME, MAC)),
    Set("net6", (IFNAME, MAC, IP6), ranges=True),
)
#: who may serve DHCP and DHCPv6, and who may advertise itself as a router
DHCP_SERVERS, ROUTERS = Set("dhcp_servers", (IFNAME,)), Set("routers", (IFNAME,))

#: what of a port makes its elements
PORTS = (GUARDED, MACS, ONE4, ANY4, NET4, ONE6, ANY6, NET6, DHCP_SERVERS, ROUTERS)

#: the same of a port's ARP, where that has a table of its own
ARP_PORTS = (GUARDED, MACS, ONE4, ANY4, NET4)

#: the operator's, of the whole host
PERMITTED = Set("permitted", (ETHERTYPE_NUMBER,))
#: filled by the rules: how much of a port was dropped, and why
DROPPED = Set("dropped", (IFNAME, IFNAME), counts=True)

SETS = (*PORTS, PERMITTED, DROPPED)
