"""Numbers of linux/netlink.h, linux/rtnetlink.h and linux/neighbour.h.

The kernel promises them for ever. pyroute2 has them too, but to import one of its modules is to
import all of it: a quarter of the agent's start.
"""

# flags of a message
NLM_F_REQUEST, NLM_F_ACK = 0x001, 0x004
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NLM_F_DUMP = 0x300  # root and match: what is asked for is all

# kinds of messages of all families
NLMSG_ERROR, NLMSG_DONE = 2, 3

# and of rtnetlink
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
