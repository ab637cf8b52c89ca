"""A plugin of another package, asked in a process of its own.

A thread per plugin asks that process, one VIF after the other. The agent's loop never waits for it:
whoever asks too early gets the error Unanswered, and is woken when the answer is there.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from vif_agent.contract import leaves_in
from vif_agent.errors import Conflict, Relayed, Unanswered
from vif_agent.ownership import TRUNK_BRIDGE
from vif_agent.pci_names import NETDEV, REPRESENTOR, of_pci
from vif_agent.plugin_host.discovery import Candidate
from vif_agent.plugin_host.protocol import Answer, Order
from vif_agent.plugin_host.supervisor import Supervisor
from vif_agent.plugins.base import GROUP
from vif_agent.resources import COMMAND, Device, Resource
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds to load
_REMEMBERED = 10_000  # answers; more ports than a host has
_LOADING = "it has not loaded yet"


class SubProcessPlugin:
    """``error``: why it cannot be asked at all; empty when it can."""

    def __init__(self, candidate: Candidate, conf: Any) -> None:
        self.error = _LOADING
        self._candidate = candidate
        self.contract = ""
        self.aliases: Mapping[str, str] = {}
        self._borrow: Sequence[str] = conf.plugins.borrow
        self._supervisor = Supervisor(
            Order(
                GROUP,
                candidate.name,
                candidate.distribution,
                tuple(conf.config_file or ()),
                tuple(conf.config_dir or ()),
                float(conf.plugins.timeout),
                _PATIENCE,
            )
        )
        self._asked: dict[str, Vif] = {}
        self._curious: set[str] = set()  # ports that wait for its names
        self._known: dict[str, Answer] = {}  # by what was asked: see _question
        self._condition = threading.Condition()
        self._tell: Callable[[Collection[str]], None] = lambda _: None
        self._closed = False
        threading.Thread(target=self._serve, name=f"plugin-{candidate.name}", daemon=True).start()

    # -- for those who ask -------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the plugin, as its entry point has it."""
        return self._candidate.name

    @property
    def package(self) -> str:
        """As ``Candidate.package``."""
        return self._candidate.package

    @property
    def counted(self) -> Supervisor:
        """Who has counted its answers and its faults, for metrics."""
        return self._supervisor

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The answer, or a VifAgentError: Unanswered if there is none yet."""
        with self._condition:
            answer = self._ask(vif)
            if answer is None:
                raise Unanswered(f"plugin {self.name} has not answered yet")
            if answer.problem:
                del self._known[_question(vif)]  # whoever asks again, asks anew
                raise Relayed(answer.problem)
            self._check_own(vif, answer.resources)
            return [_by_sender(resource, vif) for resource in answer.resources]

    def on_answer(self, tell: Callable[[Collection[str]], None]) -> None:
        """To be called with the ports that got the error Unanswered."""
        self._tell = tell

    def tells_when_loaded(self, port_id: str) -> bool:
        """Has it yet to load? Then the port is woken when it has, or cannot."""
        with self._condition:
            if self.error == _LOADING:
                self._curious.add(port_id)
            return self.error == _LOADING

    def await_loaded(self, deadline: float) -> None:
        """Until it has loaded or cannot, or ``deadline`` (time.monotonic) is there."""
        with self._condition:
            self._condition.wait_for(lambda: self.error != _LOADING, deadline - time.monotonic())

    def await_answer(self, vif: Vif, deadline: float) -> None:
        """Until there is an answer for this VIF, or the deadline is there."""
        with self._condition:
            self._condition.wait_for(lambda: self._ask(vif), deadline - time.monotonic())

    def close(self) -> None:
        """Its process ends; whoever waits goes on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._supervisor.close()

    def _check_own(self, vif: Vif, answer: Sequence[Resource]) -> None:
        """Else one mistaken name would take the host's own NIC off the network, or be in the way of
        another plugin's ports. What programs a Command may run, ``[commands] allowed`` says."""
        for resource in answer:
            name = resource.name
            if resource.space == COMMAND or _is_own(name, vif):
                continue
            if resource.external and not any(fnmatchcase(name, p) for p in self._borrow):
                raise Conflict(
                    f"plugin {self.name} may not borrow {name}: it is not the port's own, "
                    "and [plugins] borrow does not name it"
                )
            if not resource.external and not resource.shared:
                raise Conflict(
                    f"plugin {self.name} may not have {name} for one port: it is not named after "
                    f"the port ({vif.short_id}), nor shared"
                )

    def _ask(self, vif: Vif) -> Answer | None:
        """The same VIF has the same answer: it is asked about once."""
        question = _question(vif)
        if question not in self._known and question not in self._asked:
            self._asked[question] = vif
            self._condition.notify_all()
        return self._known.get(question)

    # -- the thread --------------------------------------------------------------------------

    def _serve(self) -> None:
        self._loaded(*self._supervisor.load())
        while (vif := self._next()) is not None:
            self._note(vif, self._supervisor.ask(vif))

    def _loaded(self, error: str, contract: str, aliases: Mapping[str, str]) -> None:
        if self._closed:
            return
        if error:
            LOG.error("Plugin %s (%s) cannot be used: %s", self.name, self.package, error)
        if not error and (release := leaves_in(contract)):
            LOG.warning(
                "Plugin %s (%s) is written for contract %s, which vif-agent will not speak any "
                "longer from release %s on", self.name, self.package, contract, release,
            )  # fmt: skip
        with self._condition:
            self.error, self.contract, self.aliases = error, contract, aliases
            self._condition.notify_all()
        self._tell(self._curious)

    def _next(self) -> Vif | None:
        with self._condition:
            self._condition.wait_for(lambda: self._asked or self._closed)
            return None if self._closed else next(iter(self._asked.values()))

    def _note(self, vif: Vif, answer: Answer) -> None:
        if answer.trace:
            LOG.error("Plugin %s failed on port %s: %s", self.name, vif.port_id, answer.trace)
        with self._condition:
            question = _question(vif)
            del self._asked[question]
            self._known[question] = answer
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._condition.notify_all()
        self._tell({vif.port_id})


def _question(vif: Vif) -> str:
    """A Vif has mappings in it, and so no hash. A port may have several, one for each earlier
    request."""
    return repr(vif)


def _by_sender(resource: Resource, vif: Vif) -> Resource:
    if isinstance(resource, Device) and resource.name == vif.devname:
        return dataclasses.replace(resource, by_sender=True)
    return resource


def _is_own(name: str, vif: Vif) -> bool:
    """By its name, or by the PCI address that is given. A trunk's bridge is its parent's."""
    slot = vif.pci_slot
    names = [slot, *(of_pci(slot, what) for what in (NETDEV, REPRESENTOR))] if slot else []
    named = vif.port_id[:8] in name or name.startswith(TRUNK_BRIDGE)
    return named or name in (vif.devname, *names)
