"""What runs with CAP_NET_ADMIN, in a process of its own, and how it is asked.

``orders`` and ``codec``: what it can be asked for. ``policy``: what of that it does. ``calls``: the
entry points. ``process``: its birth. ``client``: the main process's side, that waits for answers.
"""
