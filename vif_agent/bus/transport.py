"""oslo.messaging as this project uses it."""

from typing import Any

import oslo_messaging
import oslo_messaging.opts

from vif_agent import bus
from vif_agent.bus import pauses, urls

#: ours instead of oslo's; what the operator's file says wins over both
DEFAULTS: dict[str, dict[str, object]] = {
    # casts the broker hands over before the first is acknowledged: bounds memory in a storm
    "oslo_messaging_rabbit": {"rabbit_qos_prefetch_count": 1000},
    "oslo_messaging_notifications": {
        "driver": ["messagingv2"],
        "topics": [bus.NOTIFICATION_TOPIC],
    },
}


def set_defaults(conf: Any) -> None:
    """For the agent's own process only; a sender's defaults are its own. Some are of random value,
    each time."""
    oslo_messaging.set_transport_defaults(bus.EXCHANGE)
    for group, options in oslo_messaging.opts.list_opts():
        if group in DEFAULTS:
            conf.register_opts(options, group)
            for name, value in DEFAULTS[group].items():
                conf.set_default(name, value, group)
    for name, value in pauses.reconnecting().items():
        conf.set_default(name, value, "oslo_messaging_rabbit")


def check_url(conf: Any) -> None:
    """NotConfigured, without a part of a URL, for one that would be read otherwise than meant."""
    for group, options in oslo_messaging.opts.list_opts():
        if group in (None, "oslo_messaging_notifications"):
            conf.register_opts(options, group)
    urls.check("[DEFAULT] transport_url", conf.transport_url)
    if url := conf.oslo_messaging_notifications.transport_url:
        urls.check("[oslo_messaging_notifications] transport_url", url)


def target(topic: str, server: str | None = None) -> Any:
    """Of a host's queue with ``server``; of the topic without."""
    return oslo_messaging.Target(
        exchange=bus.EXCHANGE, topic=topic, server=server, version=bus.VERSION
    )
