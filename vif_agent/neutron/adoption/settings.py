"""The options of Neutron's own files that count here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from vif_agent.neutron import options

#: where neutron-server's packages have them
_FILES = ("/etc/neutron/neutron.conf", "/etc/neutron/plugins/ml2/ml2_conf.ini")

_OPTIONS: dict[str, list[cfg.Opt]] = {
    "DEFAULT": [cfg.IntOpt("agent_down_time", default=75)],
    "database": [cfg.StrOpt("connection", secret=True)],
    "securitygroup": [cfg.BoolOpt("enable_security_group", default=True)],
    "nova": [cfg.StrOpt("region_name"), cfg.StrOpt("endpoint_type", default="public")],
}


class Unreadable(Exception):
    """The files do not say what is needed."""


def read(files: Sequence[str]) -> Any:
    """Of these files, or of those where packages have them."""
    conf = cfg.ConfigOpts()
    for group, some in _OPTIONS.items():
        conf.register_opts(some, group=None if group == "DEFAULT" else group)
    options.register(conf)
    _register_access(conf)
    names = [*files] or [name for name in _FILES if Path(name).exists()]
    try:
        conf([f"--config-file={name}" for name in names], project="neutron")
    except cfg.Error as error:
        raise Unreadable(str(error)) from error
    if not conf.database.connection:
        where = ", ".join(names) or f"there is no {_FILES[0]}"
        raise Unreadable(f"no [database] connection ({where}): see --config-file")
    return conf


def _register_access(conf: Any) -> None:
    from keystoneauth1 import loading

    loading.register_auth_conf_options(conf, "nova")
    loading.register_session_conf_options(conf, "nova")
