"""The firewall drivers that are installed, and the one that ``[firewall] driver`` names.

That one alone is loaded. The others' processes are started only to ask for their former names, when
the operator says a name that no driver has today.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from vif_agent.contract import CONTRACT
from vif_agent.errors import InvalidConfiguration, brief
from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.noop import NoopDriver
from vif_agent.plugin_host import discovery, instantiate
from vif_agent.plugin_host.discovery import Candidate
from vif_agent.plugin_host.in_process import InProcessDriver
from vif_agent.plugin_host.kinds import FIREWALL_DRIVER
from vif_agent.plugin_host.sub_process import SubProcessDriver

LOG = logging.getLogger(__name__)

OPTION = FIREWALL_DRIVER.option
_UNNAMED = "nftables"
#: what nova's [DEFAULT] firewall_driver could be (until 20.6)
_NOVAS = {
    "nova.virt.firewall.NoopFirewallDriver": "noop",
    "nova.virt.firewall.IptablesFirewallDriver": "nftables",
    "nova.virt.libvirt.firewall.IptablesFirewallDriver": "nftables",
    "nova.virt.libvirt.firewall.NWFilterFirewall": "nftables",
    "libvirt": "nftables",
}
_PATIENCE = 40.0  # a process is given 30 to load

Driver: TypeAlias = InProcessDriver | SubProcessDriver


class Drivers:
    """``used``: the one that is asked. ``given``: the operator's name for it, perhaps a former
    one. ``named``: has he named one, or asked for what takes one? ``routed_taps``: it is asked of
    those, too."""

    def __init__(
        self,
        used: Driver,
        found: Mapping[str, Candidate] | None = None,
        given: str = "",
        named: bool = True,
        routed_taps: bool = False,
    ) -> None:
        self.used = used
        self.named = named
        self.routed_taps = routed_taps
        self._found = found or {}
        self._given = given

    def check(self) -> None:
        """InvalidConfiguration for one that says by now why it cannot be used: the agent must not
        start. One that is slow to load, or dies of it, fails its ports alone."""
        if isinstance(self.used, SubProcessDriver) and self.used.refused:
            raise _unusable(self._given, self.used.name, self.used.error)

    def use_none(self) -> None:
        """The kernel could hold no guard."""
        self.used = InProcessDriver("noop", NoopDriver())

    def listed(self) -> list[dict[str, Any]]:
        """A line for each that is installed."""
        return [self._line(candidate) for candidate in self._found.values()]

    def _line(self, candidate: Candidate) -> dict[str, Any]:
        line = {
            "driver": candidate.name,
            "package": candidate.package,
            "contract": CONTRACT if candidate.own else None,
            "used": candidate.name == self.used.name,
            "deprecated": None,
            "error": candidate.clash or None,
        }
        if isinstance(self.used, SubProcessDriver) and line["used"]:
            line["contract"] = self.used.contract or None
            line["deprecated"] = self.used.aliases.get(self._given)
            line["error"] = self.used.error or None
        return line


def load(conf: Any) -> Drivers:
    """One of another package has yet to load then. InvalidConfiguration if it cannot be had: the
    agent must not start, and open all ports."""
    named, found = conf.firewall.driver is not None, discovery.find(FIREWALL_DRIVER.group)
    given, routed_taps = conf.firewall.driver if named else _UNNAMED, conf.firewall.routed_taps
    named = named or routed_taps  # who asks for these must have a driver
    candidate = found.get(given) or found.get(_todays(given))
    if candidate is None:
        return Drivers(_of_former_name(given, found, conf), found, given, named, routed_taps)
    if candidate.clash:
        raise _unusable(given, candidate.name, candidate.clash)
    used = _own(candidate, conf) if candidate.own else SubProcessDriver(candidate, conf)
    return Drivers(used, found, given, named, routed_taps)


def _todays(given: str) -> str:
    """For one of nova's names; a hint in the log says so."""
    name = _NOVAS.get(given, given)
    if name != given:
        LOG.warning("%s = %s is nova's name for it: it is called %s here", OPTION, given, name)
    return name


def _own(candidate: Candidate, conf: Any) -> InProcessDriver:
    try:
        made = instantiate.extension(FIREWALL_DRIVER, candidate.entry_point, conf, True)
    except Exception as error:
        expected = f"one that loads ({brief(error)})"
        raise InvalidConfiguration(OPTION, candidate.name, expected) from error
    return InProcessDriver(candidate.name, cast("FirewallDriver", made), candidate.package)


def _of_former_name(given: str, found: Mapping[str, Candidate], conf: Any) -> SubProcessDriver:
    """Only a driver itself knows how it was called once."""
    others = [c for c in found.values() if not (c.own or c.clash)]
    drivers = [SubProcessDriver(candidate, conf) for candidate in others]
    deadline = time.monotonic() + _PATIENCE
    for driver in drivers:
        driver.await_loaded(deadline)
    claims = [driver for driver in drivers if given in driver.aliases]
    _close(driver for driver in drivers if len(claims) != 1 or driver is not claims[0])
    if not claims:
        known = ", ".join(found) or "a driver that is installed"
        raise InvalidConfiguration(OPTION, given, f"one of {known}")
    if len(claims) > 1:
        names = " and ".join(f"{driver.name} ({driver.package})" for driver in claims)
        raise _unusable(given, given, f"a former name of {names}: uninstall all but one")
    (used,) = claims
    LOG.warning(
        "%s = %s is a former name of firewall driver %s (%s): it is deprecated and goes in release "
        "%s of its package", OPTION, given, used.name, used.package, used.aliases[given],
    )  # fmt: skip
    return used


def _close(drivers: Iterable[SubProcessDriver]) -> None:
    for driver in drivers:
        driver.close()


def _unusable(given: str, name: str, why: str) -> InvalidConfiguration:
    return InvalidConfiguration(OPTION, given, f"one that can be used ({name} cannot: {why})")
