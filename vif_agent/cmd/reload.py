"""SIGHUP: the files are read again, and what may change in a running agent does.

Which options these are, their declarations say (``mutable``). A file with a mistake changes
nothing.
"""

import logging
from typing import Any

from oslo_config import cfg
from oslo_log.log import LogConfigError

from vif_agent import config
from vif_agent.config import checks
from vif_agent.private_names import oslo_config as private

LOG = logging.getLogger(__name__)


def reload(conf: Any) -> bool:
    """Has it been? oslo.config itself says what has changed, and what would take a restart."""
    before = private.values(conf)
    try:
        _check_files(conf)
        conf.mutate_config_files()
    except (cfg.Error, LogConfigError, OSError, ValueError, SystemExit) as error:
        private.put_back(conf, before)
        # oslo.config ends the program where an option of the command line is wrong in the file
        why = "a wrong value; stderr has it" if isinstance(error, SystemExit) else error
        LOG.error("SIGHUP: all stays as it was: %s", why)
        return False
    LOG.info("SIGHUP: the configuration was read again")
    return True


def _check_files(conf: Any) -> None:
    """Our own options as at the start, where a wrong one is named."""
    fresh = cfg.ConfigOpts()
    config.register(fresh)
    fresh([], default_config_files=conf.config_file, default_config_dirs=conf.config_dir)
    checks.check(fresh)
