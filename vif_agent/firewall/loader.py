"""The firewall driver that the configuration names."""

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vif_agent.contract import make
from vif_agent.errors import InvalidConfiguration, brief
from vif_agent.firewall.base import GROUP, FirewallDriver

LOG = logging.getLogger(__name__)

_OPTION = "[firewall] driver"
#: what nova's [DEFAULT] firewall_driver could be (until 20.6)
_NOVAS = {
    "nova.virt.firewall.NoopFirewallDriver": "noop",
    "nova.virt.firewall.IptablesFirewallDriver": "nftables",
    "nova.virt.libvirt.firewall.IptablesFirewallDriver": "nftables",
    "nova.virt.libvirt.firewall.NWFilterFirewall": "nftables",
    "libvirt": "nftables",
}


def load(conf: Any) -> FirewallDriver:
    """InvalidConfiguration if it cannot be had: the agent must not start, and open all ports."""
    given = conf.firewall.driver
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    entry = offered.get(named(given))
    if entry is None:
        known = ", ".join(sorted(offered)) or "a driver that is installed"
        raise InvalidConfiguration(_OPTION, given, f"one of {known}")
    if not entry.value.startswith(f"{__package__}."):
        expected = "a driver of vif-agent's own: those of other packages are not asked yet"
        raise InvalidConfiguration(_OPTION, given, expected)
    return _made(entry, conf)


def named(given: str) -> str:
    """The name of today for one of nova's; a hint in the log says so."""
    name = _NOVAS.get(given, given)
    if name != given:
        LOG.warning("%s = %s is nova's name for it: it is called %s here", _OPTION, given, name)
    return name


def _made(entry: EntryPoint, conf: Any) -> FirewallDriver:
    try:
        # mypy's issue 4717
        kind: type[FirewallDriver] = FirewallDriver  # type: ignore[type-abstract]
        return make(entry.load(), entry.value, conf, True, kind)
    except Exception as error:
        expected = f"one that loads ({brief(error)})"
        raise InvalidConfiguration(_OPTION, entry.name, expected) from error
