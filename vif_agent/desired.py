"""What a port's request comes to: its plugin's resources, with the names that only the host knows.

A plugin is pure, so it is asked once for a spec; the host is asked at each look.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from vif_agent import vif as vifs
from vif_agent.errors import NotYet, Unanswered, VifAgentError
from vif_agent.places import CARD, Find, addresses, located
from vif_agent.record import Answer, Entry
from vif_agent.resources import Resource
from vif_agent.store import PLUG

LOG = logging.getLogger(__name__)


class Asked(Protocol):
    """The plugins, as they are needed here; Unanswered: ask again when it has answered."""

    def resources(self, vif: vifs.Vif) -> Sequence[Resource]: ...


class Desired:
    """``find``: the host's, for places."""

    def __init__(self, plugins: Asked, find: Find) -> None:
        self._plugins = plugins
        self._find = find

    def ask(self, entry: Entry) -> None:
        """Note what is wanted for the port and what is to be given back, or why that is unknown."""
        port, answers = entry.port, list[Answer]()
        try:
            if port.verb == PLUG:
                answers.append(self._answer(entry, port.instance, port.vif))
                entry.placed = bool(answers[0].addresses)
                entry.wanted = self._located(answers[0].resources)
            entry.returns = tuple(self._given_back(entry, answers))
        except VifAgentError as error:
            entry.wanted, entry.refused = (), error.problem
            entry.unanswered = isinstance(error, Unanswered)
        else:
            entry.answers = tuple(answers)

    def _answer(self, entry: Entry, instance: object, vif: object) -> Answer:
        """Raises NotConfigured also for what speaks of a card that is not for ports."""
        asked = (a for a in entry.answers if (a.instance, a.vif) == (instance, vif))
        answer = next(asked, None) or self._asked(instance, vif)
        for address in answer.addresses:
            with contextlib.suppress(NotYet):
                self._find(CARD, address)
        return answer

    def _asked(self, instance: object, vif: object) -> Answer:
        resources = tuple(self._plugins.resources(vifs.parse(instance, vif)))
        spoken_of = frozenset(address for r in resources for address in addresses(r))
        return Answer(instance, vif, resources, spoken_of)

    def _located(self, resources: Iterable[Resource]) -> tuple[Resource, ...]:
        return tuple(located(resource, self._find) for resource in resources)

    def _given_back(self, entry: Entry, answers: list[Answer]) -> Iterator[Resource]:
        """``answers``: what was asked for it is noted there."""
        for instance, vif in entry.port.formers:
            try:
                answer = self._answer(entry, instance, vif)
            except VifAgentError as error:
                if error.transient:
                    raise
                LOG.warning("Port %s: what an earlier wish has borrowed is not given back: %s",
                            entry.port.port_id, error)  # fmt: skip
                continue
            answers.append(answer)
            for back in (r.given_back() for r in answer.resources if r.borrowed):
                with contextlib.suppress(NotYet):  # what is not there cannot be given back
                    yield from self._located([back] if back else [])
