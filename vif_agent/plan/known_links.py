"""What of ours was seen where. A link is known by its index, whatever name or owner tag others
have given it since. Pure.

For a port's own link that was renamed while nobody watched, its owner tag and kind must do.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from vif_agent.ownership import SHARED, Found
from vif_agent.plan.steps import Actual, Want
from vif_agent.resources import LINK, Key, Link

_NAMES = ("name", "master", "addressed", "peer", "parent")


class KnownLink(NamedTuple):
    """By what a link of ours is known again: index, kind, owner tag."""

    ifindex: int
    kind: str
    owner: str


class KnownLinks:
    """Links that carried our owner tag when they were last seen, by the name that we gave them."""

    def __init__(self) -> None:
        self._known: dict[Key, KnownLink] = {}
        self._names: dict[int, Key] = {}
        self._shared: dict[str, KnownLink] = {}
        #: is there what a later process must know, and could not find out by looking?
        self.unsaved = False

    def load(self, known_links: Mapping[str, KnownLink]) -> None:
        """Of an earlier process, by name: those that several ports share."""
        for name, known in known_links.items():
            self._remember(Key(LINK, name), known)
        self.unsaved = False

    def to_keep(self) -> Mapping[str, KnownLink] | None:
        """What a later process must know; None if nothing has changed since ``kept``.

        A port's own things tell whose they are by their names too.
        """
        return dict(self._shared) if self.unsaved else None

    def kept(self) -> None:
        """What ``to_keep`` has answered is in the store."""
        self.unsaved = False

    @property
    def keys(self) -> Collection[Key]:
        """Of all links of ours that were seen and not seen to go."""
        return self._known.keys()

    def indexes(self, keys: Iterable[Key]) -> set[int]:
        """Where those of ``keys`` that are known were last."""
        return {self._known[key].ifindex for key in keys if key in self._known}

    def note(self, asked: Iterable[Key], actual: Actual) -> None:
        """What was seen: a link of ours under its own name, or that one is no longer there."""
        for key in asked:
            if key not in actual.found:
                self._remember(key, None)
        for key, found in actual.found.items():
            if key.space == LINK and found.owner and found.resource.name == key.name:
                self._remember(key, KnownLink(found.index, found.resource.kind, found.owner))

    def _remember(self, key: Key, known: KnownLink | None) -> None:
        before = self._known.get(key)
        if before == known and (known is None or self._names.get(known.ifindex) == key):
            return
        self._known.pop(key, None)
        if before and self._names.get(before.ifindex) == key:
            del self._names[before.ifindex]
        if known:
            self._known[key] = known
            self._names[known.ifindex] = key
        self._share(key.name, known if known and known.owner == SHARED else None)

    def _share(self, name: str, known: KnownLink | None) -> None:
        self.unsaved |= self._shared.get(name) != known
        self._shared.pop(name, None)
        if known:
            self._shared[name] = known

    def recognized(
        self, actual: Actual, wanted: Mapping[Key, Want], named: Collection[Key] = ()
    ) -> Actual:
        """The same with our links under the names that we gave them, and with our owner tags.

        ``named``: what our ports want or had by these names, which nobody else has given.
        """
        called = self._by_index(actual) | _by_owner_tag(actual, wanted, named)
        if not (called or self._has_lost_a_tag(actual)):
            return actual
        renamed = {now: key for key, now in called.items()}
        names = {now.name: key.name for key, now in called.items()}
        found = {
            renamed.get(key, key): _as_it_was(renamed.get(key, key), thing, names)
            for key, thing in actual.found.items()
        }
        return dataclasses.replace(actual, found={k: self._tagged(k, f) for k, f in found.items()})

    def _has_lost_a_tag(self, actual: Actual) -> bool:
        return any(f.owner is None and key in self._known for key, f in actual.found.items())

    def _by_index(self, actual: Actual) -> dict[Key, Key]:
        """What is not there by its name, and under which name it is."""
        there = [(key, f) for key, f in actual.found.items() if _is_by_own_name(key, f)]
        known = ((self._names.get(found.index), key) for key, found in there)
        return {name: now for name, now in known if name and name not in actual.found}

    def _tagged(self, key: Key, found: Found) -> Found:
        known = self._known.get(key)
        seen = (found.index, found.resource.kind)
        if known is None or found.owner is not None or seen != (known.ifindex, known.kind):
            return found
        return dataclasses.replace(found, owner=known.owner, tag_lost=True)


def _by_owner_tag(
    actual: Actual, wanted: Mapping[Key, Want], named: Collection[Key]
) -> dict[Key, Key]:
    """A port's only link of a kind, where the only one that it wants of this kind is missing."""
    missing: dict[tuple[str, str], list[Key]] = {}
    for key, want in wanted.items():
        own = isinstance(want.resource, Link) and not (want.resource.shared or want.restore)
        if own and not want.resource.external and key not in actual.found:
            missing.setdefault((want.owner, want.resource.kind), []).append(key)
    strays: dict[tuple[str, str], list[Key]] = {which: [] for which in missing}
    for key, found in actual.found.items() if missing else ():
        which = (found.owner or "", found.resource.kind)
        ours = key in wanted or key in named
        if which in strays and not ours and _is_by_own_name(key, found):
            strays[which].append(key)
    pairs = [(keys, strays[which]) for which, keys in missing.items()]
    return {keys[0]: found[0] for keys, found in pairs if len(keys) == len(found) == 1}


def _is_by_own_name(key: Key, found: Found) -> bool:
    return key.space == LINK and found.resource.name == key.name


def _as_it_was(key: Key, found: Found, names: Mapping[str, str]) -> Found:
    """``names``: the ones that we gave, by those of now; others refer to it by these."""
    link = found.resource
    if not names or not isinstance(link, Link):
        return found
    names_now = {field: str(getattr(link, field, None)) for field in _NAMES}
    given: dict[str, Any] = {f: names[name] for f, name in names_now.items() if name in names}
    members = frozenset(names.get(name, name) for name in found.members)
    called = link.name if "name" in given and link.name != key.name else ""
    link = dataclasses.replace(link, **given)
    return dataclasses.replace(found, resource=link, members=members, called=called)
