"""How often Python looks for garbage that refers to itself in a circle; all else is freed at once.

To find it, Python walks over all that lives: 0.1 s with 2,000 ports, and once in 200 plugs by
Python's own measure. Nearly all of it is made by kombu, some 15 to 30 objects for each message, and
is found among what was made lately. So that is looked through when it is 2,000 objects, some 1 MB,
and everything only once in some ten thousand plugs.
"""

import gc

_AMONG_THE_NEW, _AMONG_THE_OLDER, _EVERYWHERE = 2_000, 10, 150


def put_off() -> None:
    """While modules are imported, which stay."""
    gc.disable()


def begin() -> None:
    """What is there now (modules, options) stays, and is never walked over again. Before a fork:
    its child has all that from us, and shares it as long as nobody writes there."""
    gc.freeze()
    gc.set_threshold(_AMONG_THE_NEW, _AMONG_THE_OLDER, _EVERYWHERE)
    gc.enable()
