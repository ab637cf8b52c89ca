"""oslo.messaging as this project uses it."""

from typing import Any

import oslo_messaging
import oslo_messaging.opts

from vif_agent import bus
from vif_agent.errors import NotConfigured

#: ours instead of oslo's; what the operator's file says wins over both
_DEFAULTS: dict[str, dict[str, object]] = {
    # casts the broker hands over before the first is acknowledged: bounds memory in a storm
    "oslo_messaging_rabbit": {"rabbit_qos_prefetch_count": 1000},
    "oslo_messaging_notifications": {
        "driver": ["messagingv2"],
        "topics": [bus.NOTIFICATION_TOPIC],
    },
}


def set_defaults(conf: Any) -> None:
    """For the agent's own process only; a sender's defaults are its own."""
    oslo_messaging.set_transport_defaults(bus.EXCHANGE)
    for group, options in oslo_messaging.opts.list_opts():
        if group in _DEFAULTS:
            conf.register_opts(options, group)
            for name, value in _DEFAULTS[group].items():
                conf.set_default(name, value, group)


def check_url(conf: Any) -> None:
    """Raises NotConfigured. The URL has a password, and so it and its error stay out of the log."""
    try:
        hosts = oslo_messaging.TransportURL.parse(conf).hosts
        good = all(host.port is None or 0 < host.port < 1 << 16 for host in hosts)
    except (ValueError, oslo_messaging.InvalidTransportURL):
        good = False
    if not good:
        raise NotConfigured(
            "[DEFAULT] transport_url: expected rabbit://USER:PASSWORD@HOST:PORT/VHOST, with what "
            "is no letter or digit in user and password as %XX"
        )


def target(topic: str, server: str | None = None) -> Any:
    return oslo_messaging.Target(
        exchange=bus.EXCHANGE, topic=topic, server=server, version=bus.VERSION
    )
