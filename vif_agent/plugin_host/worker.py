"""The process of one plugin or firewall driver: ``python -m vif_agent.plugin_host.worker FD NAME``.

It was started anew, not forked, so it has nothing of the agent's: no socket, no lock, no way to the
privileged helper. It drops what capabilities a root user's processes get, before a line of the
plugin is run.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distribution

from oslo_config import cfg
from oslo_privsep import capabilities

from vif_agent import config
from vif_agent.contract import Extension
from vif_agent.errors import PluginFailed, Problem, VifAgentError, brief, plain
from vif_agent.plugin_host import instantiate
from vif_agent.plugin_host.kinds import KINDS, Kind
from vif_agent.plugin_host.protocol import LONGEST_TRACE, REFUSALS, Answer, Channel, Loaded, Order
from vif_agent.plugins.base import MEMORY
from vif_agent.vif import Vif

_NO_NEW_PRIVS = 38  # prctl(2)
_GRACE = 1.0  # the agent, if it lives, ends us before


def main() -> None:
    """Until the agent closes its end."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    _confine()
    order: Order = channel.receive(Order)
    kind = KINDS[order.group]
    with _at_most(order.patience):
        extension = _load(channel, order, kind)
    with contextlib.suppress(EOFError, ConnectionError):
        while extension:
            vif: Vif = channel.receive(Vif)
            with _at_most(order.limit):
                answer = _ask(kind, extension, vif)
            channel.send(answer)


def _confine() -> None:
    """Whoever hangs or hogs is ended by the kernel, even when the agent is there no longer."""
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(which, signal.SIG_IGN)  # we end when the agent has
    capabilities.drop_all_caps_except([], [], [])
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _load(channel: Channel, order: Order, kind: Kind) -> Extension | None:
    try:
        entry, conf = _entry_point(order), _configuration(order)
        extension = instantiate.extension(kind, entry, conf, own=False)
        aliases = {plain(name): plain(release) for name, release in extension.aliases.items()}
        loaded = Loaded(plain(extension.contract), aliases)
    except BaseException as error:
        channel.send(_problem("no_plugin", instantiate.reason(error), traceback.format_exc()))
        return None
    channel.send(loaded)
    return extension


def _entry_point(order: Order) -> EntryPoint:
    offered = distribution(order.distribution).entry_points
    (found,) = offered.select(group=order.group, name=order.name)
    return found


def _configuration(order: Order) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    config.register(conf)
    arguments = [f"--config-file={name}" for name in order.config_files]
    arguments += [f"--config-dir={name}" for name in order.config_dirs]
    conf(arguments, project="vif-agent", default_config_files=[], default_config_dirs=[])
    return conf


def _ask(kind: Kind, extension: Extension, vif: Vif) -> Answer:
    try:
        return Answer(kind.answer(extension, vif))
    except PluginFailed as error:
        return _problem("plugin_failed", str(error))
    except VifAgentError as error:
        if error.code in REFUSALS and not error.transient:
            return _problem(error.code, str(error))
        return _failed(error)
    except BaseException as error:
        return _failed(error)


def _failed(error: BaseException) -> Answer:
    return _problem("plugin_failed", f"raised {brief(error)}", traceback.format_exc())


def _problem(code: str, text: str, trace: str = "") -> Answer:
    return Answer(problem=Problem(code, plain(text)), trace=trace[-LONGEST_TRACE:])


if __name__ == "__main__":
    main()
    os._exit(0)  # a thread or an exit handler of the package's might never end
