"""What the engine needs of a host."""

from collections.abc import Collection, Mapping
from typing import Protocol

from vif_agent.errors import Problem
from vif_agent.host.commands import Commands
from vif_agent.ownership import Found
from vif_agent.plan.steps import Actual, Plan
from vif_agent.resources import Key
from vif_agent.topology.facts import Glimpse


class Guards(Protocol):
    """The guards of ports, as operators see them."""

    def read(self) -> Mapping[Key, Found]:
        """All of them; NotYet if that cannot be seen."""

    def drops(self) -> Mapping[str, int]:
        """How many frames were dropped, by reason, of all ports there were; NotYet."""

    @property
    def missing(self) -> str:
        """Why the kernel can have none; "" where it can, or need not."""

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        """The same by device, of those that have guards; NotYet."""


class Host(Protocol):
    """What the engine needs of a host. ``FakeHost`` in the tests keeps the same contract.

    ``commands``: what cannot be read off the host is asked of these.
    """

    commands: Commands

    @property
    def guards(self) -> Guards:
        """For who asks; the engine reads and applies them as all else."""

    @property
    def link_events(self) -> Mapping[str, int]:
        """How often the kernel's events of links were ``lost``, and of how many links a look at
        everything has found what no event had told (``missing``)."""

    def read(
        self,
        keys: Collection[Key],
        members_of: Collection[Key] = (),
        indexes: Collection[int] = (),
        going: Collection[Key] = (),
        made: Collection[Key] = (),
    ) -> Actual:
        """What is there of these keys, and the links of these indexes, whatever they are called;
        for ``members_of`` with what is plugged into them. Of OVS ports that are ``going`` it is not
        asked whether ovs-vswitchd is there to carry them; of ``made``, which stay and no guest has
        been told of yet, not whether one has them open."""

    def read_all(self, keys: Collection[Key]) -> Actual:
        """As ``read``, with everything else that carries our owner tag.

        And with the OVS ports that name a port and cannot be opened, and the devices of all these.
        """

    def glimpse(self) -> Glimpse:
        """All links and OVS rows, anybody's, for a picture: it may be a moment old, or show one end
        of what is being made."""

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        """Carry the plan out, phase by phase; what failed, by key. A failure stops no other."""

    def look_up(self, what: str, address: str) -> str:
        """The name of a place (see ``vif_agent.pci_names``) now; NotYet if it is not there,
        NotConfigured if it is not for ports."""
