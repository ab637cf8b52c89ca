"""``table bridge vif_agent``: who may say what on a linux bridge, by netlink and without `nft`.

Pure: ``words`` (what a rule can say), ``sets``, ``rules`` (all that there are), ``elements`` (a
port's), ``expressions`` and ``messages`` (how the kernel is told), ``table`` (what a batch has to
do). With a socket: ``netlink``, ``reading``, ``events``. Other tables have no words here.
"""
