"""The contract of type drivers, version 1.0: that of plugins, for one part of the answer.

A driver is named by an entry point in the group ``vif_agent.type_drivers``; the entry point's name
is Neutron's network type, and there are no former names. Like a plugin it is pure: the same Vif
gives the same answer. It runs in the agent's own process, also one of another package: one that
hangs stops the agent.
"""

import abc
from collections.abc import Sequence

from vif_agent.contract import Extension
from vif_agent.resources import Resource
from vif_agent.vif import Vif

GROUP = "vif_agent.type_drivers"


class TypeDriver(Extension, abc.ABC):
    """Base of all type drivers.

    ``from_conf`` raises NotConfigured for values that cannot be used; the agent then does not
    start.
    """

    @abc.abstractmethod
    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """What besides the linux bridge of this name the host must have, for it to be on the
        VIF's network.

        Raises InvalidRequest for a VIF that says too little, NotConfigured for what the operator
        must set first.
        """
