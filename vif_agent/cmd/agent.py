"""``vif-agent``: the daemon."""

import argparse
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from oslo_config import cfg

from vif_agent import __version__, config
from vif_agent.cmd import concurrency
from vif_agent.config import checks
from vif_agent.daemon import allocator, garbage, journal

if TYPE_CHECKING:
    from vif_agent.daemon.agent import Agent
    from vif_agent.daemon.systemd import Lock

LOG = logging.getLogger(__name__)

_TRY_AGAIN = 1  # what is in the way passes, such as a full disk
_WRONG_CONFIGURATION = 2  # systemd is told not to try again with this one


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Exit status 0 after SIGTERM, 1 when only a restart helps, 2 for a wrong configuration."""
    allocator.one_heap()
    garbage.put_off()
    for each in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)  # the helper has no more than this
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")  # the operator's choice
    arguments = list(sys.argv[1:] if argv is None else argv)
    _choose_threads(arguments)
    status = _run(arguments)
    logging.shutdown()
    os._exit(status)  # oslo.messaging's threads may be waiting for a broker that is away


def _choose_threads(arguments: Sequence[str]) -> None:
    """It is chosen before anything else is imported, so the files are read twice."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--config-file", "--config-dir"):
        parser.add_argument(option, action="append", default=[])
    known = vars(parser.parse_known_args(arguments)[0])
    conf = cfg.ConfigOpts()
    config.register(conf)
    _parse(conf, [f"--{o.replace('_', '-')}={value}" for o in known for value in known[o]])
    green = conf.vif_agent.concurrency == "eventlet"
    (concurrency.green_threads if green else concurrency.native_threads)()


def _parse(conf: cfg.ConfigOpts, arguments: Sequence[str]) -> None:
    try:
        conf(
            arguments,
            project="vif-agent",
            version=__version__,
            description="Plugs virtual network interfaces on this host, as the bus asks.",
        )
        checks.check(conf)
    except (cfg.Error, OSError) as error:
        _refuse(error)


def _configure(arguments: Sequence[str]) -> None:
    from oslo_log import log

    from vif_agent import log_fields
    from vif_agent.bus import transport
    from vif_agent.daemon import repeats
    from vif_agent.private_names import oslo_log

    config.register(cfg.CONF)
    log.register_options(cfg.CONF)
    quiet = [*log.get_default_log_levels(), "stevedore=ERROR"]  # what it warns of, we say
    log.set_defaults(default_log_levels=quiet)
    transport.set_defaults(cfg.CONF)
    _parse(cfg.CONF, arguments)
    oslo_log.journal_by(journal.send, log_fields.NAMES)
    try:
        log.setup(cfg.CONF, "vif-agent", __version__)
    except (OSError, ValueError, TypeError, RuntimeError, log.LogConfigError) as error:
        _refuse(f"the log cannot be set up: {error}")
    journal.mark()
    repeats.hold_back()


def _refuse(why: object) -> NoReturn:
    """Before there is a log."""
    text = f"vif-agent: {why}"
    print(
        journal.marked(logging.ERROR, text) if journal.reads(sys.stderr) else text, file=sys.stderr
    )
    sys.exit(_WRONG_CONFIGURATION)


def _run(arguments: Sequence[str]) -> int:
    from vif_agent import private_names
    from vif_agent.daemon import systemd
    from vif_agent.private_names import table

    _configure(arguments)
    if changed := private_names.trouble(table.AGENT):
        LOG.critical("Cannot start: %s", changed)
        return _WRONG_CONFIGURATION
    state = Path(cfg.CONF.state_path)
    try:
        lock = systemd.lock(state)
    except OSError as error:
        why: Exception = error
    else:
        return _start(lock)
    # not in its handler, for there oslo.log says the error once more
    LOG.critical("Cannot lock %s (is another vif-agent running?): %s", state, why)
    return 1


def _start(lock: "Lock") -> int:
    from oslo_messaging import MessagingException

    from vif_agent.bus import transport
    from vif_agent.daemon.agent import Agent
    from vif_agent.errors import VifAgentError
    from vif_agent.helper import process
    from vif_agent.helper.allowed import Allowed
    from vif_agent.host import heard

    allowed = Allowed.from_conf(cfg.CONF, checks.tap_owner(cfg.CONF))
    events = heard.opened(cfg.CONF)  # while we have the capability
    garbage.begin()
    try:
        process.start(allowed, cfg.CONF.vif_agent.helper_timeout)
        transport.check_url(cfg.CONF)
        agent = Agent(cfg.CONF, events)
    except (MessagingException, VifAgentError, cfg.Error) as error:
        why: Exception = error
    else:
        return _serve(agent, lock)
    LOG.critical("Cannot start: %s", why)  # as above
    return _TRY_AGAIN if getattr(why, "transient", False) else _WRONG_CONFIGURATION


def _serve(agent: "Agent", lock: "Lock") -> int:
    """The lock is held, here and by the helper, for as long as this runs."""
    from vif_agent.cmd.reload import reload
    from vif_agent.daemon import signals, state_dump
    from vif_agent.errors import HelperGone, NotConfigured

    def hang_up() -> None:
        with agent.pulse.reloading():
            if reload(cfg.CONF):
                agent.reconfigured()

    why: list[str] = []
    calls: dict[int, Callable[[], object]]
    calls = {
        signal.SIGTERM: agent.stop,
        signal.SIGINT: agent.stop,
        signal.SIGHUP: hang_up,
        signal.SIGUSR2: lambda: state_dump.write(agent.sections()),
    }
    signals.listen(calls)
    state_dump.begin()
    try:
        agent.run()
    except HelperGone as error:
        LOG.critical("%s: ending, for the supervisor to start anew", error)
    except NotConfigured as error:
        why = str(error).splitlines()
    except Exception:
        LOG.exception("Ending, for the supervisor to start anew")
    else:
        return 0
    for line in why:  # as above
        LOG.critical("Cannot go on: %s", line)
    return _WRONG_CONFIGURATION if why else 1


if __name__ == "__main__":
    main()
