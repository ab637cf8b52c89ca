"""From what was asked for a port to the resources that the host must have for it."""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from vif_agent import vif as vifs
from vif_agent.errors import (
    NotYet,
    Unanswered,
    VifAgentError,
)
from vif_agent.log_fields import about
from vif_agent.pci_names import CARD, LookUp, resolved, spoken_of
from vif_agent.ports.port import PLUG, Spec
from vif_agent.reconcile.record import Answer, PortRecord
from vif_agent.resources import Resource

LOG = logging.getLogger(__name__)


class PluginSource(Protocol):
    """The plugins, as they are needed here; Unanswered: ask again when it has answered."""

    def resources(self, vif: vifs.Vif) -> Sequence[Resource]:
        """What the port is to have, or a VifAgentError; pure, or at least never blocks."""


class Desired:
    """``find``: the host's, for places."""

    def __init__(self, plugins: PluginSource, look_up: LookUp) -> None:
        self._plugins = plugins
        self._look_up = look_up

    def ask(self, record: PortRecord) -> None:
        """Note what is wanted for the port and what is to be restored, or why that is unknown."""
        port, answers = record.port, list[Answer]()
        try:
            if port.verb == PLUG:
                answers.append(self._answer(record, port.spec, port.parsed))
                record.needs_lookup = bool(answers[0].pci_addresses)
                record.wanted = self._resolved(answers[0], answers[0].resources)
            record.restores = tuple(self._restored(record, answers))
        except VifAgentError as error:
            record.wanted, record.refused = (), error.problem
            record.unanswered = isinstance(error, Unanswered)
        else:
            record.answers = tuple(answers)

    def _answer(self, record: PortRecord, spec: Spec, parsed: vifs.Vif | None = None) -> Answer:
        """Raises NotConfigured also for what speaks of a card that is not for ports."""
        asked = (answer for answer in record.answers if answer.spec == spec)
        answer = next(asked, None) or self._asked(spec, parsed)
        for address in answer.pci_addresses:
            with contextlib.suppress(NotYet):
                self._look_up(CARD, address)
        return answer

    def _asked(self, spec: Spec, parsed: vifs.Vif | None) -> Answer:
        if parsed is None:
            parsed = vifs.parse(json.loads(spec.instance), json.loads(spec.vif))
        resources = tuple(self._plugins.resources(parsed))
        return Answer(spec, resources, *spoken_of(resources))

    def _resolved(self, answer: Answer, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """``resources``: of the answer."""
        if not answer.has_placeholders:
            return resources
        return tuple(resolved(resource, self._look_up) for resource in resources)

    def _restored(self, record: PortRecord, answers: list[Answer]) -> Iterator[Resource]:
        """``answers``: what was asked for it is noted there."""
        for instance, vif in record.port.previous_specs:
            try:
                answer = self._answer(record, Spec.of(instance, vif))
            except VifAgentError as error:
                if error.transient:
                    raise
                LOG.warning("Port %s: what an earlier request has changed is not restored: %s",
                            record.port.port_id, error,
                            extra=about(record.port.port_id))  # fmt: skip
                continue
            answers.append(answer)
            for back in (r.restored() for r in answer.resources if r.external):
                with contextlib.suppress(NotYet):  # what is not there cannot be restored
                    yield from self._resolved(answer, (back,) if back else ())
