"""What the configuration names on this host, taken at the helper's fork. No call changes it."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """Patterns: ``devices`` that others make and a port may change, ``bridges`` that others make
    and a port may join, ``cards`` whose virtual functions a port may have, by link or PCI address.

    ``tun_device`` makes the taps; ``tap_owner`` is the uid that may open them besides root, None
    for the helper's own. The defaults are for tests, which have a host of their own.
    """

    devices: tuple[str, ...] = ("*",)
    bridges: tuple[str, ...] = ("*",)
    cards: tuple[str, ...] = ("*",)
    tun_device: str = "/dev/net/tun"
    tap_owner: int | None = None

    @classmethod
    def from_conf(cls, conf: Any, tap_owner: int | None = None) -> "Allowed":
        """The options that name what is not a port's own; ``tap_owner`` is a uid."""
        network = conf.network
        devices = (*network.physical_interface_mappings.values(), *network.interfaces)
        return cls(
            devices=(*devices, *conf.plugins.borrow),
            bridges=(*network.bridge_mappings.values(), *network.interfaces),
            cards=tuple(conf.sriov.cards),
            tun_device=conf.vif_agent.tun_device,
            tap_owner=tap_owner,
        )


_given = Allowed()


def allowed() -> Allowed:
    """In the helper what was given at the fork; else what ``allow`` was given last."""
    return _given


def allow(what: Allowed) -> None:
    """In the process that is to be forked, or that changes the host by itself."""
    global _given
    _given = what


@contextlib.contextmanager
def allowing(what: Allowed) -> Iterator[None]:
    """For as long as the ``with``, in this process."""
    before = _given
    allow(what)
    try:
        yield
    finally:
        allow(before)


def names(patterns: Collection[str], words: Collection[str]) -> bool:
    """Does any pattern fit any of the words?"""
    return any(fnmatchcase(word, pattern) for pattern in patterns for word in words)
