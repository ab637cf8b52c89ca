"""Network type ``local``: the bridge is all there is; its ports see each other and nobody else."""

import dataclasses
from collections.abc import Sequence

from vif_agent.network_types.base import TypeDriver
from vif_agent.resources import Resource
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class LocalDriver(TypeDriver):
    """A network of this host alone."""

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """Nothing."""
        return ()
