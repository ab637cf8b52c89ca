"""What the operator is to do about what the broker refuses."""

import json
import re
import shlex
from collections.abc import Iterator

from amqp.exceptions import MessageNacked

_OTHERWISE = re.compile(
    r"inequivalent arg '(?P<what>[^']+)' for (?P<kind>queue|exchange) '(?P<name>.*?)'"
    r" in vhost '(?P<vhost>.*?)': received (?P<asked>.*?) but current is (?P<there>\S.*)"
)
_VALUE = re.compile(r"(?:the value )?'([^']*)'(?: of type '\w+')?")
LIMIT, OVERFLOW = "x-delivery-limit", "x-overflow"
#: RabbitMQ's words for a name that no queue has; of one whose node is away it says something else
NO_QUEUE = "no queue '"
#: what oslo.messaging makes each of, where it is not the one of the same name
_OPTIONS = {
    "durable": "amqp_durable_queues, rabbit_quorum_queue",
    "x-queue-type": "rabbit_quorum_queue",
    LIMIT: "rabbit_quorum_delivery_limit",
    "auto_delete": "amqp_auto_delete",
}
#: RabbitMQ's word for queues that are neither durable nor of one connection alone; 4.3 takes none
_REFUSES_TRANSIENT = "transient_nonexcl_queues"
#: to such a broker's operator
NOT_TRANSIENT = (
    f"this broker refuses queues that are not durable ({_REFUSES_TRANSIENT}): under"
    " [oslo_messaging_rabbit] set rabbit_transient_quorum_queue = true, which is for replies, and"
    " amqp_durable_queues = true or rabbit_quorum_queue = true, here and for all senders"
)

#: the driver says that the broker is unreachable, and has connected anew, for nothing
_REFUSED = (
    "the broker does not take it: the queue is full, by max-length of a policy (rabbitmqctl"
    " list_policies, list_queues), or it has no leader now"
)


def otherwise(error: object) -> str:
    """For the operator, what the broker says in this error; empty if it is about something else."""
    found = _OTHERWISE.search(" ".join(str(error).split()))
    if found is None:
        return ""
    what, kind, name, vhost, asked, there = found.groups()
    option = _OPTIONS.get(what, what)
    return (
        f"{kind} {name} (vhost {vhost}) was declared before with {what}={_plain(there)}, and"
        f" {what}={_plain(asked)} is asked for ([oslo_messaging_rabbit] {option}): give all who use"
        f" it the same options, or remove it, {_removal(kind, name, vhost)}"
    )


def remedy(error: object) -> str:
    """What the operator is to do about this error of the broker's; empty if we do not know."""
    if any(isinstance(cause, MessageNacked) for cause in _causes(error)):
        return _REFUSED
    return NOT_TRANSIENT if _REFUSES_TRANSIENT in str(error) else otherwise(error)


def _causes(error: object) -> Iterator[object]:
    while isinstance(error, BaseException):
        yield error
        error = error.__cause__ or error.__context__


def lacks(error: object) -> tuple[str, str] | None:
    """Where the error is that a queue is there without an argument: that, and its vhost."""
    found = _OTHERWISE.search(" ".join(str(error).split()))
    if found is None or _plain(found["there"]) != "none":
        return None
    return found["what"], found["vhost"]


def _plain(value: str) -> str:
    found = _VALUE.match(value)
    return found[1] if found else "none"


def _removal(kind: str, name: str, vhost: str) -> str:
    if kind == "queue":
        command = shlex.join(("rabbitmqctl", "delete_queue", "--vhost", vhost, name))
        return f"with what is in it: {command}"
    resource = f"rabbit_misc:r({_binary(vhost)}, exchange, {_binary(name)})"
    call = f'rabbit_exchange:delete({resource}, false, <<"vif-agent">>).'
    return (
        f"and then restart all agents, for their queues are bound to it: "
        f"{shlex.join(('rabbitmqctl', 'eval', call))}"
    )


def transient(name: str) -> str:
    """Of a queue of casts that does not outlive its broker."""
    return (
        f"queue {name} is not durable, and what is in it is lost when its broker ends: under"
        " [oslo_messaging_rabbit] set rabbit_quorum_queue = true, here and for all senders"
    )


def no_limit(name: str, vhost: str, deliveries: int, overflow: str) -> str:
    """Of a queue of casts that was declared without a limit of deliveries."""
    pattern = f"^{re.escape(name)}$"
    keeps = json.dumps({"delivery-limit": deliveries, "overflow": overflow})
    policy = ("set_policy", "--vhost", vhost, "--apply-to", "queues", name, pattern, keeps)
    return (
        f"queue {name} (vhost {vhost}) was declared by an earlier release without a delivery limit,"
        " and is used as it is: RabbitMQ 4 drops a cast that it has delivered 20 times. To mend"
        f" it: {shlex.join(('rabbitmqctl', *policy))}"
    )


def _binary(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}"/utf8>>'
