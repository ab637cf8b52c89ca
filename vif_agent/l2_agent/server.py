"""Neutron's servers, as agents call them: a broker that is shared, and no code.

Their side is neutron/db/agents_db.py and neutron/plugins/ml2/rpc.py; what is used of it is the same
from release 26 to 29.
"""

import contextlib
import datetime
import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import oslo_messaging

from vif_agent.bus import remedies
from vif_agent.errors import brief, plain

EXCHANGE = "neutron"
#: with any other, reports are taken, but no port whose binding has failed is bound anew
_CONTEXT = {"is_admin": True}
_REPORTS, _PLUGIN = ("q-reports-plugin", "1.1"), ("q-plugin", "1.5")
_TIME = "%Y-%m-%dT%H:%M:%S.%f"
_STATUSES = ("new", "alive", "revived")
_STALE = (
    "it takes the report for one of before its own start: the clocks of this host and of Neutron's "
    "servers differ"
)
_LONGEST = 500  # characters: an error may have a database's
_ATTEMPTS = 1  # to reach the broker: who calls tries again himself


class NotAnswered(Exception):
    """Why; nobody knows whether it was done, so it is to be asked again."""


class Server:
    """Any of them: they share a queue. Each method raises NotAnswered."""

    def __init__(self, messaging: Any, host: str) -> None:
        self._host = host
        self._options = messaging.conf
        self._reports = _client(messaging, *_REPORTS)
        self._plugin = _client(messaging, *_PLUGIN)

    @property
    def _seconds(self) -> float:
        """Of oslo.messaging; the client that was made has registered the option."""
        return float(self._options.rpc_response_timeout)

    def report_state(self, state: Mapping[str, Any], timeout: float) -> str:
        """How the server knows the agent: new, alive, or revived."""
        now = datetime.datetime.now(datetime.UTC).strftime(_TIME)
        arguments = {"agent_state": {"agent_state": dict(state)}, "time": now}
        status = _call(self._reports, timeout, "report_state", arguments)
        if status not in _STATUSES:
            raise NotAnswered(_STALE if status is None else _unexpected("report_state", status))
        return str(status)

    def update_device_list(self, up: Collection[str], down: Collection[str]) -> frozenset[str]:
        """Answers the ports with which the server failed."""
        arguments = {
            "devices_up": list(up),
            "devices_down": list(down),
            "agent_id": f"vif-agent-{self._host}",
            "host": self._host,
        }
        answer = _call(self._plugin, self._seconds, "update_device_list", arguments)
        with _expecting("update_device_list", answer):
            failed = [*answer.get("failed_devices_up", ()), *answer.get("failed_devices_down", ())]
            return frozenset(failed) & {*up, *down}

    def tunnel_sync(self, own: str) -> frozenset[str]:
        """The tunnel ends of all hosts; from now on ``own`` is this host's."""
        arguments = {"tunnel_ip": own, "tunnel_type": "vxlan", "host": self._host}
        answer = _call(self._plugin, self._seconds, "tunnel_sync", arguments)
        with _expecting("tunnel_sync", answer):
            ends = frozenset(address(each["ip_address"]) for each in answer["tunnels"])
        if own not in ends:
            raise NotAnswered(_unexpected("tunnel_sync", answer))
        return ends


def address(given: object) -> str:
    """Of a host, as it is always written; ValueError."""
    if not isinstance(given, str):
        raise ValueError(f"{given!r} is no address")
    parsed = ipaddress.ip_address(given)
    if parsed.is_multicast or parsed.is_unspecified:
        raise ValueError(f"{given} is no host's address")
    return str(parsed)


def _client(messaging: Any, topic: str, version: str) -> Any:
    target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, version=version)
    return oslo_messaging.get_rpc_client(messaging, target)


def _call(client: Any, timeout: float, method: str, arguments: Mapping[str, Any]) -> Any:
    """The broker drops the question when its time is over: it is not answered late."""
    prepared = client.prepare(timeout=timeout, retry=_ATTEMPTS)
    try:
        return prepared.call(_CONTEXT, method, **arguments)
    except oslo_messaging.MessagingTimeout:
        why = f"no server of Neutron's has answered {method} in {timeout:g} s"
    except Exception as error:  # Neutron's own, or the broker is away, or refuses
        told = (str(error).splitlines() or [""])[0]  # a traceback follows what Neutron's says
        why = remedies.remedy(error) or f"{method} fails: {type(error).__name__}: {told}"
    raise NotAnswered(plain(why, _LONGEST))


@contextlib.contextmanager
def _expecting(method: str, answer: object) -> Iterator[None]:
    """An answer in a form that we know."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError):
        raise NotAnswered(_unexpected(method, answer)) from None


def _unexpected(method: str, answer: object) -> str:
    return f"Neutron's answer to {method} is not understood: {brief(answer)}"
