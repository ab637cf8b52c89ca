"""Can OVSDB be reached, where a port needs it?"""

import threading
from collections.abc import Iterator

from vif_agent.cmd.status.finding import Finding, failure, good, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.errors import NotConfigured
from vif_agent.health import Sign
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.host.ovs.tls import use_certificates
from vif_agent.resources import OVS_SPACES

_SECONDS = 5.0
_UNIX = "unix:"


def findings(subject: Subject) -> Iterator[Finding]:
    """Connects and reads, as the agent does."""
    options, who = subject.conf.ovs, subject.account
    connection: str = options.ovsdb_connection
    try:
        use_certificates(options)
    except NotConfigured:
        return  # the question about files says so
    sign = _sign(connection, options.ovsdb_timeout)
    yield judged(sign, _needing(subject))
    socket = connection.removeprefix(_UNIX)
    if sign.ok and socket != connection and not who.may("w", socket):
        yield warning(
            f"{socket}: {who.name} cannot write it, unless its unit gives it a group that can: "
            "docs/install.md"
        )


def judged(sign: Sign, ports: int) -> Finding:
    """``ports``: how many need it."""
    if sign.ok:
        return good("connected")
    if ports:
        return failure(f"{sign.why}; {ports} ports need it")
    return good("there is none, and no port needs it") if sign.ok is None else warning(sign.why)


def _needing(subject: Subject) -> int:
    wanted = subject.wanted.values()
    return sum(any(one.space in OVS_SPACES for one in resources) for resources in wanted)


def _sign(connection: str, timeout: float) -> Sign:
    connected = threading.Event()
    ovsdb = Ovsdb(connection, timeout, lambda _: connected.set())
    ovsdb.start()
    try:
        left = _SECONDS
        while not connected.wait(0.1) and left > 0 and ovsdb.sign().ok is None:
            left -= 0.1
        return ovsdb.sign()
    finally:
        ovsdb.stop()
