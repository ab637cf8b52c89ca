"""Is each option as the operator may write it? Which options there are, ``config`` says."""

import contextlib
import math
import pwd
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oslo_config import cfg

from vif_agent import config


def check(conf: Any) -> None:
    """oslo.config looks at a value when it is first used; a wrong one must not wait for that.

    Raises oslo_config.cfg.ConfigFileValueError, which names group, option, value and reason.
    """
    for error in wrong(conf):
        raise error
    for error in together(conf):
        raise error


def wrong(conf: Any) -> Iterator[cfg.ConfigFileValueError]:
    """Each option of ours whose value cannot be."""
    yield from wrong_of(conf, None, config.DEFAULT)
    for group, options in config.GROUPS:
        yield from wrong_of(conf, group.name, options)


def wrong_of(
    conf: Any, group: str | None, options: Iterable[cfg.Opt]
) -> Iterator[cfg.ConfigFileValueError]:
    """The same of options that anybody has declared, and that are registered."""
    for option in options:
        if (why := _wrong(conf, group, option)) is not None:
            given = _given(conf, group, option.dest)
            words = f"[{group or 'DEFAULT'}] {option.dest}{given}: {why}"
            yield cfg.ConfigFileValueError(words)


def together(conf: Any) -> Iterator[cfg.ConfigFileValueError]:
    """What is wrong with options that are right, each by itself."""
    for each in (tap_owner, _neutron):
        try:
            each(conf)
        except cfg.ConfigFileValueError as error:
            yield error


def _neutron(conf: Any) -> None:
    """Its ports are of vif_type 'tap', which nobody else would wire."""
    if conf.neutron.enabled and not conf.bridge.wire_taps:
        reason = "[neutron] enabled = true: expected [bridge] wire_taps = true with it"
        raise cfg.ConfigFileValueError(reason)
    if conf.neutron.vxlan_peers and not (conf.neutron.enabled and conf.network.vxlan_local_ip):
        reason = "[neutron] enabled = true and [network] vxlan_local_ip with it"
        raise cfg.ConfigFileValueError(f"[neutron] vxlan_peers = true: expected {reason}")


def tap_owner(conf: Any) -> int | None:
    """The uid; None if it is not set."""
    given = conf.vif_agent.tap_owner
    if not given:
        return None
    try:
        return int(given) if given.isdecimal() else pwd.getpwnam(given).pw_uid
    except KeyError:
        reason = f"[vif_agent] tap_owner = {given}: there is no such account"
        raise cfg.ConfigFileValueError(reason) from None


def _wrong(conf: Any, group: str | None, option: cfg.Opt) -> object:
    """Why; None for a good value."""
    try:
        value = _group(conf, group)[option.dest]
    except cfg.ConfigSourceValueError as error:
        return error.__context__ or error
    except cfg.Error as error:  # of the file: a $NAME that is no option
        return error
    finite = not isinstance(value, float) or math.isfinite(value)
    return None if finite else "a number that is not finite"


def _given(conf: Any, group: str | None, name: str) -> str:
    """What the files say: oslo.config does not tell what was out of range."""
    raw = cfg.ConfigOpts()
    raw.register_opt(cfg.StrOpt(name), group)
    with contextlib.suppress(cfg.Error):
        raw([], default_config_files=conf.config_file, default_config_dirs=conf.config_dir)
        return f" = {_group(raw, group)[name]}"
    return ""


def _group(conf: Any, name: str | None) -> Mapping[str, Any]:
    chosen: Mapping[str, Any] = conf[name] if name else conf
    return chosen
