"""The options in nova.conf; the agent's own are in ``vif_agent.config``."""

from typing import Any

from oslo_config import cfg, types

from vif_agent.nova.payload import FORMS

GROUP = "vif_agent_nova"

OPTIONS: list[cfg.Opt] = [
    cfg.ListOpt(
        "take_over",
        item_type=types.String(choices=sorted(FORMS)),
        default=["ovs"],
        help="The os-vif plugins whose place vif-agent takes: " + ", ".join(sorted(FORMS)) + ". "
        "They need not be installed. Empty: none; os-vif works as without vif-agent. Another name "
        "stops nova-compute at its start.",
    ),
    cfg.FloatOpt(
        "wait",
        default=30,
        min=0,
        help="Seconds that a plug or unplug may take, all in all, until it has failed. 0: cast and "
        "forget; nova learns of no failure.",
    ),
    cfg.StrOpt(
        "transport_url",
        secret=True,
        help="The bus of the agents, if it is not the one in [DEFAULT] transport_url.",
    ),
]


def register(conf: Any) -> None:
    """In nova-compute's own configuration."""
    conf.register_opts(OPTIONS, GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]
