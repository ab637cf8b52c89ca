"""The links that the helper itself has made or tagged, or saw tagged before it changed anything.

By its index a link is known again when somebody has taken its owner tag away: an index is not
given twice while a host runs. What the caller says of a link is no reason to believe it.
"""

from collections.abc import Iterable, Mapping

from vif_agent.helper.looked import Looked, looked
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import Socket, number


class KnownLinks:
    """Kind and owner of each, by index."""

    def __init__(self) -> None:
        self._links: dict[int, tuple[str, str]] = {}
        self._has_seen_all = True
        self._was_told = False

    def begin(self) -> None:
        """In the helper, at its birth."""
        self._links, self._has_seen_all, self._was_told = {}, False, False

    def see(self, netlink: Socket) -> None:
        """All that there is, once, before the first change."""
        if not self._has_seen_all:
            self._has_seen_all = True
            bodies = netlink.dump(number(iflink.EXT_MASK, iflink.SKIP_STATS))
            self.note_tagged(map(looked, bodies))

    def be_told(self, links: Mapping[int, tuple[str, str]]) -> None:
        """By the store, of those that have lost their tags while no agent ran. Only the first call
        counts: the agent makes it before it is on the bus."""
        if not self._was_told:
            self._was_told = True
            self._links = {**links, **self._links}

    def note_tagged(self, links: Iterable[Looked]) -> None:
        """What was seen with a tag of the agent's."""
        for link in links:
            if link.owner is not None:
                self.note(link.index, link.kind, link.owner)

    def note(self, index: int, kind: str, owner: str) -> None:
        """The link of this index is that owner's."""
        self._links[index] = kind, owner

    def forget(self, indexes: Iterable[int]) -> None:
        """They are gone."""
        for index in indexes:
            self._links.pop(index, None)

    def owner_of(self, index: int) -> str | None:
        """A port's id or "shared"; None for what has not been seen as ours."""
        return self._links.get(index, ("", None))[1]

    def named(self, name: str, index: int) -> Looked | None:
        """The link of this index, which has this name now; None for what is not known as ours. It
        is ours also where others have put another tag on it."""
        kind, owner = self._links.get(index, ("", ""))
        return Looked(index, (name,), kind, owner, master=0) if owner else None

    def was(self, link: Looked, owner: str) -> bool:
        """Did this very link carry this owner's tag?"""
        return self._links.get(link.index) == (link.kind, owner)


KNOWN = KnownLinks()
