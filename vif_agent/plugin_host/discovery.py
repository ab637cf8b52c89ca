"""What packages offer by entry points, read off their metadata: nothing of theirs is imported."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from vif_agent.plugin_host.kinds import KINDS, Kind

LOG = logging.getLogger(__name__)

OWN = "vif-agent"


@dataclasses.dataclass(frozen=True)
class Candidate:
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


def find(group: str) -> Mapping[str, Candidate]:
    """One offer for each name.

    A name that the agent's own package has is its own, whoever else offers it. Of two others
    neither is taken: which one the operator wants cannot be known.
    """
    by_name: dict[str, list[Candidate]] = {}
    for entry in entry_points(group=group):
        candidate = _candidate(entry)
        by_name.setdefault(candidate.name, []).append(candidate)
    kind = KINDS[group]
    return {name: _chosen(kind, name, them) for name, them in sorted(by_name.items())}


def _candidate(entry: EntryPoint) -> Candidate:
    dist = entry.dist
    name, version = (dist.name, dist.version) if dist else ("unknown", "")
    return Candidate(entry.name, entry, name, version)


def _chosen(kind: Kind, name: str, candidates: Sequence[Candidate]) -> Candidate:
    packages = " and ".join(sorted(candidate.package for candidate in candidates))
    own = [candidate for candidate in candidates if candidate.own]
    if len(candidates) == 1:
        return candidates[0]
    if own:
        LOG.warning(
            "%s %s is offered by %s; the agent's own is used. Give the other a name of its own, "
            "and say that in %s", kind.title, name, packages, kind.option,
        )  # fmt: skip
        return own[0]
    clash = f"offered by {packages}: uninstall all but one"
    return Candidate(name, candidates[0].entry_point, packages, "", clash)
