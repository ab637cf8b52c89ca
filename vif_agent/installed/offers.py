"""What packages offer by entry points, read off their metadata: nothing of theirs is imported."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

LOG = logging.getLogger(__name__)

OWN = "vif-agent"


@dataclasses.dataclass(frozen=True)
class Offer:
    """``distribution``: the package, as pip knows it. ``clash``: why this name cannot be used."""

    name: str
    entry_point: EntryPoint
    distribution: str
    version: str
    clash: str = ""

    @property
    def own(self) -> bool:
        """Is it of this package?"""
        return self.distribution == OWN

    @property
    def package(self) -> str:
        """ "name version" of the package that offers it."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        return f"{self.name} ({self.package})"


def find(group: str) -> Mapping[str, Offer]:
    """One offer for each name.

    A name that the agent's own package has is its own, whoever else offers it. Of two others
    neither is taken: which one the operator wants cannot be known.
    """
    by_name: dict[str, list[Offer]] = {}
    for entry in entry_points(group=group):
        offer = _offer(entry)
        by_name.setdefault(offer.name, []).append(offer)
    return {name: _chosen(name, offers) for name, offers in sorted(by_name.items())}


def _offer(entry: EntryPoint) -> Offer:
    dist = entry.dist
    name, version = (dist.name, dist.version) if dist else ("unknown", "")
    return Offer(entry.name, entry, name, version)


def _chosen(name: str, offers: Sequence[Offer]) -> Offer:
    packages = " and ".join(sorted(offer.package for offer in offers))
    own = [offer for offer in offers if offer.own]
    if len(offers) == 1:
        return offers[0]
    if own:
        LOG.warning(
            "Plugin %s is offered by %s; the agent's own is used. Give the other a name of its "
            "own, and say that in [plugins] override", name, packages,
        )  # fmt: skip
        return own[0]
    clash = f"offered by {packages}: uninstall all but one"
    return Offer(name, offers[0].entry_point, packages, "", clash)
