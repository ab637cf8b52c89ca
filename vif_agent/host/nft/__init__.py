"""``table bridge vif_agent``: who may say what on a linux bridge, by netlink and without `nft`; and
in the families ``inet`` and ``arp`` the same of routed taps, as long as one has a guard.

Pure: ``words`` (what a rule can say), ``sets``, ``rules`` (all that there are), ``tables`` (which
of them are in which), ``elements`` (a port's), ``expressions`` and ``messages`` (how the kernel is
told), ``table`` (what a batch has to do). With a socket: ``netlink``, ``reading``, ``events``.
Other tables have no words here.
"""
