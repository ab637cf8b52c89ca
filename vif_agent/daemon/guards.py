"""Who guards ports on this host: what the configuration names, or what its kernel can."""

import errno
import logging
from typing import Any, ClassVar

from vif_agent.firewall.guarded import Driver
from vif_agent.host.guarding import GuardEvents, Guarding, Table
from vif_agent.host.nft_table import NftTable
from vif_agent.plugin_host.drivers import Drivers
from vif_agent.resources import Guard
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

_CANNOT = (
    "the kernel cannot guard ports, which takes nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE; "
    "for routed_taps also _INET and _ARP): {}"
)


def table(conf: Any) -> Table:
    """The kernel's; nothing is asked of it yet."""
    permitted = [int(number, 16) for number in conf.firewall.permitted_ethertypes]
    return NftTable(permitted, conf.firewall.routed_taps)


def chosen(drivers: Drivers, table: Table, events: GuardEvents | None) -> Guarding:
    """Where no driver is named, a kernel that cannot guard is good enough, and stops no agent
    that it did not stop before: perhaps no port needs a guard there. But guards that stand are not
    to go for that: they stay, and a port that cannot have one is refused."""
    lacks = table.lacks() if drivers.used.guards else ""
    if lacks and not drivers.named:
        if _stand(table):
            LOG.warning("Guards of ports stay as they are: %s", _CANNOT.format(lacks))
            lacks = ""
        else:
            drivers.use_none()
    missing = _CANNOT.format(lacks) if lacks else ""
    return Guarding(table, drivers.used.guards, missing, events)


def _stand(table: Table) -> bool:
    """Are there guards of ours, or may there be?"""
    try:
        there = table.read()["guards"].values()
    except OSError as error:
        return error.errno != errno.EPERM  # who may never ask has never written one
    return any(fields["owner"] for _, fields in there)


def asked(drivers: Drivers, guarding: Guarding) -> Driver:
    """Who is asked for the guard of a port that is to have one."""
    return Unable(guarding.missing) if guarding.missing and not guarding.needed else drivers.used


class Unable:
    """Nobody, ``why``, though nobody has said so. A host without such ports lacks nothing, and so
    is told nothing."""

    guards: ClassVar[bool] = True

    def __init__(self, why: str) -> None:
        self._why = why

    def guard(self, vif: Vif) -> Guard | None:
        """None, and a warning for the first."""
        if self._why:
            LOG.warning(
                "Not guarded against spoofing: port=%s and all others in linux bridges: %s",
                vif.port_id,
                self._why,
            )
            self._why = ""
        return None
