"""Numbers of include/uapi/linux/netlink.h and rtnetlink.h, by the kernel's own names.

Of pyroute2 they were all that we used, and it took 8 MB and 0.06 s of each start.
"""

NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
#: what a question asks for
NLM_F_DUMP = 0x300
#: how a thing is to be made
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
