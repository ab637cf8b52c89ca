"""``vif-agent-status upgrade check``, as every service of OpenStack has one."""

import importlib
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from vif_agent import config
from vif_agent.cmd import concurrency
from vif_agent.cmd.status.finding import result, warning

_FAILURE = int(upgradecheck.Code.FAILURE)
#: all others stand on what libraries do not promise
_WITHOUT_LIBRARIES = ("libraries", "options", "store")


class Checks(upgradecheck.UpgradeCommands):
    """Each question is asked with the libraries of this release, beside an agent of another."""

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._subject: Any = None

    def ask(self, module: str) -> upgradecheck.Result:
        """``module``: whose question. It is imported when it is asked, for it may be a library that
        keeps it from that."""
        from vif_agent.cmd.status import libraries, subject

        if module not in _WITHOUT_LIBRARIES and libraries.trouble():
            return result([warning("not asked, for a library is not as it must be")])
        self._subject = self._subject or subject.Subject(self._conf)
        question = importlib.import_module(f"vif_agent.cmd.status.{module}")
        try:
            return result(question.findings(self._subject))
        except cfg.Error as error:
            return result([warning(f"not asked, for an option is wrong: {error}")])

    def close(self) -> None:
        """Ends what was begun."""
        if self._subject:
            self._subject.close()

    _upgrade_checks = (
        ("Libraries", (ask, {"module": "libraries"})),
        ("Options", (ask, {"module": "options"})),
        ("Files", (ask, {"module": "files"})),
        ("Store", (ask, {"module": "store"})),
        ("Plugins and firewall drivers", (ask, {"module": "plugins"})),
        ("Kernel", (ask, {"module": "kernel"})),
        ("Open vSwitch", (ask, {"module": "open_vswitch"})),
        ("Broker", (ask, {"module": "broker"})),
    )


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Exit status 0: go on; 1: look at the warnings; 2: something will not work; 255: a bug."""
    warnings.simplefilter("ignore")
    concurrency.native_threads()
    logging.getLogger().addHandler(logging.NullHandler())  # what is wrong, the answer says
    checks = Checks(cfg.CONF)
    try:
        _register(cfg.CONF)
        arguments = list(sys.argv[1:] if argv is None else argv)
        status = upgradecheck.main(cfg.CONF, "vif-agent", checks, argv=arguments)
    except (cfg.Error, OSError) as error:
        print(f"vif-agent-status: {error}", file=sys.stderr)
        status = _FAILURE
    finally:
        checks.close()
    sys.exit(status)


def _register(conf: Any) -> None:
    from oslo_log import log

    from vif_agent.bus import transport

    config.register(conf)
    log.register_options(conf)
    transport.set_defaults(conf)


if __name__ == "__main__":
    main()
