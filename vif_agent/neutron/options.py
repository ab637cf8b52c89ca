"""The driver's options in ml2_conf.ini; the agent's own are in ``vif_agent.config``."""

from typing import Any

from oslo_config import cfg

from vif_agent.neutron.binding import IGNORED, NOT_BOUND

GROUP = "ml2_vif_agent"

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        "security_groups",
        default=NOT_BOUND,
        choices=[
            (NOT_BOUND, "such a port is not bound"),
            (IGNORED, "it is bound, and no rule of its groups is enforced"),
        ],
        help="What becomes of a port that has security groups. vif-agent holds a guest to its own "
        "MAC and IP addresses, if the host's [firewall] driver does; it enforces no rule of a "
        "security group. Every port is in the project's default group unless its creator says "
        "otherwise, so 'not_bound' refuses all ordinary ports. Say the same in every server.",
    ),
    cfg.FloatOpt(
        "cast_timeout",
        default=5,
        min=0.1,
        help="Seconds that a request may wait for a broker that takes no cast to an agent. What "
        "could not be cast is cast with a later report of the agent.",
    ),
]


def register(conf: Any) -> None:
    """In Neutron's own configuration."""
    conf.register_opts(OPTIONS, GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]
