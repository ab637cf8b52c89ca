"""Transports whose connections can be relied on."""

from typing import Any

import oslo_messaging

from vif_agent.private_names import oslo_connections


def rpc(conf: Any, url: str | None = None) -> Any:
    """What casts and calls go by."""
    return mended(oslo_messaging.get_rpc_transport(conf, url=url))


def mended(messaging: Any) -> Any:
    """A transport that somebody else has made."""
    return oslo_connections.mended(messaging)
