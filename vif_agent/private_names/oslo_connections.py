"""Connections as oslo.messaging makes them, with two things put right.

Of several brokers with TLS its driver asks for the certificate of the first one that it has tried,
whichever it tries now: kombu writes that name into the parameters, and never another.

And after the broker's word that no queue takes a message its confirmation of the same message may
still be on the way: the channel's next message must not be taken for confirmed by it.
"""

from typing import Any

import oslo_messaging
from oslo_messaging._drivers.impl_rabbit import Connection
from oslo_messaging._drivers.pool import ConnectionPool

from vif_agent.private_names.oslo_messaging import change_channel, speaks_amqp

_NAME = "server_hostname"


class _OfEachBroker(dict[str, Any]):
    """kombu looks whether there is a name, and if there is none puts in that of the broker which it
    is about to connect to. So none is ever found; py-amqp takes what was put in."""

    def __getitem__(self, key: str) -> Any:
        return None if key == _NAME else super().__getitem__(key)


class _Connection(Connection):  # type: ignore[misc]
    def _fetch_ssl_params(self) -> Any:
        asked = super()._fetch_ssl_params()
        of_each = isinstance(asked, dict) and asked.get(_NAME, "") is None
        return _OfEachBroker(asked) if of_each else asked

    def _ensure_publishing(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super()._ensure_publishing(*args, **kwargs)
        except oslo_messaging.MessageUndeliverable:
            change_channel(self)
            raise


class _Pool(ConnectionPool):  # type: ignore[misc]
    """Whoever made the transport may have sent by it before, as Neutron has."""

    def get(self, retry: Any = None) -> Any:
        lent = super().get(retry)
        if type(lent) is Connection:
            lent.__class__ = _Connection
        return lent


def mended(transport: Any) -> Any:
    """The same; its connections are ours from now on."""
    if speaks_amqp(transport):
        pool = transport._driver._connection_pool
        if type(pool) is ConnectionPool:
            pool.__class__ = _Pool
        if pool.connection_cls is Connection:
            pool.connection_cls = _Connection
    return transport
