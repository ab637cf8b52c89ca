"""Does the broker let the agent in, are the queues there as it will declare them, and is it of a
release that can do what the options ask for?"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import oslo_messaging

from vif_agent.bus import connections, declared, remedies, transport
from vif_agent.bus.declared import Declares, Seen
from vif_agent.bus.limits import Limits, TimeOver
from vif_agent.bus.outlet import Outlet
from vif_agent.cmd.status.finding import Finding, failure, good, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.config.shown import without_logins
from vif_agent.errors import NotConfigured
from vif_agent.private_names import oslo_messaging as private

_SECONDS = 20.0
_OLDEST, _NEWEST = (3, 10), 4  # that the tests run with
_QUORUM, _NO_TRANSIENT = (3, 8), (4, 3)
#: of a login, of a virtual host, of a queue
_REFUSED = re.compile("ACCESS_REFUSED|NOT_ALLOWED|access to .* refused", re.IGNORECASE)


def findings(subject: Subject) -> Iterator[Finding]:
    """Nothing is declared that is not there yet, and nothing consumed."""
    conf = subject.conf
    try:
        transport.check_url(conf)
        messaging = connections.rpc(conf)
        others = connections.mended(oslo_messaging.get_notification_transport(conf))
    except (NotConfigured, oslo_messaging.MessagingException) as error:
        yield failure(f"[DEFAULT] transport_url: {without_logins(str(error))}")
        return
    queues, theirs = declared.of_agent(conf.host), Outlet(others, "vif-agent-status").queues
    if theirs and conf.oslo_messaging_notifications.transport_url:
        yield from _looked(conf, others, theirs, "notifications: ")
        theirs = []
    yield from _looked(conf, messaging, [*queues, *theirs], "")


def _looked(conf: Any, messaging: Any, queues: Sequence[Declares], what: str) -> Iterator[Finding]:
    if not private.speaks_amqp(messaging):
        yield good(f"{what}the bus is no broker of AMQP")
        return
    try:
        seen = Limits().within(_SECONDS, lambda: declared.seen(messaging, queues))
    except TimeOver:
        yield _away(what, f"it gives no answer in {_SECONDS:g} s")
    except Exception as error:
        words = without_logins(" ".join(str(error).split())) or repr(error)
        refused = _REFUSED.search(words)
        yield failure(f"{what}the broker refuses: {words}") if refused else _away(what, words)
    else:
        messaging.cleanup()  # brokers log those who just go
        yield from (Finding(one.code, what + one.words) for one in judged(seen, conf))


def judged(seen: Seen, conf: Any) -> Iterator[Finding]:
    """``conf``: for the group [oslo_messaging_rabbit]."""
    yield from map(failure, seen.differing)
    yield from map(warning, seen.to_mend)
    yield from _of_release(seen.product, seen.release, conf.oslo_messaging_rabbit)


def _of_release(product: str, release: str, options: Any) -> Iterator[Finding]:
    version = tuple(map(int, re.findall(r"\d+", release)[:2]))
    named = f"{product} {release}"
    if product != "RabbitMQ" or len(version) < 2:
        yield warning(f"the broker says that it is {named!r}: only RabbitMQ is tried")
        return
    durable = options.amqp_durable_queues or options.rabbit_quorum_queue
    if version < _QUORUM and options.rabbit_quorum_queue:
        yield failure(f"{named} has no quorum queues: rabbit_quorum_queue takes 3.8 or later")
    if version >= _NO_TRANSIENT and not (durable and options.rabbit_transient_quorum_queue):
        yield failure(f"{named}: {remedies.NOT_TRANSIENT}")
    if version < _OLDEST or version[0] > _NEWEST:
        yield warning(f"{named}: the tests of this release run with 3.10 and 4.0")
    yield good(named)


def _away(what: str, why: str) -> Finding:
    return warning(
        f"{what}the broker cannot be asked, so its queues were not looked at: {why}. Look again "
        "when it is there; the agent starts without it, and takes casts when it comes"
    )
