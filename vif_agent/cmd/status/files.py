"""May the agent's account read and write what it must, and nobody else what he should not?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vif_agent.cmd.status import options
from vif_agent.cmd.status.finding import Finding, failure, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.errors import NotConfigured
from vif_agent.host.ovs.tls import use_certificates
from vif_agent.metrics.tls import Tls

_BY_ALL, _BY_OTHERS = 0o004, 0o022
_RABBITS = ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")


def findings(subject: Subject) -> Iterator[Finding]:
    """Whatever the unit of systemd may add, such as groups, is not known here."""
    for path in options.files(subject.conf):
        yield from _of_configuration(subject, path)
    yield from _of_certificates(subject)
    yield from _of_state(subject)
    yield from _of_log(subject)


def _of_configuration(subject: Subject, path: Path) -> Iterator[Finding]:
    mode, who = path.stat().st_mode, subject.account
    if not who.may("r", path):
        yield failure(f"{path}: {who.name} cannot read it: chgrp {who.name} and chmod 640")
    if mode & _BY_ALL and _has_password(subject.conf):
        yield warning(f"{path} has the broker's password, and everybody can read it: chmod 640")
    if mode & _BY_OTHERS:
        yield warning(f"{path} says what the helper may change, and others can write it: chmod 640")


def _has_password(conf: Any) -> bool:
    return "@" in (conf.transport_url or "")


def _of_certificates(subject: Subject) -> Iterator[Finding]:
    conf = subject.conf
    uses: list[Callable[[], object]]
    uses = [lambda: use_certificates(conf.ovs), lambda: Tls.of(conf.metrics)]
    for use in uses:
        try:
            use()
        except NotConfigured as error:
            yield failure(error)
    names = [("ovs", f"ssl_{which}") for which in ("key_file", "cert_file", "ca_cert_file")]
    names += [("metrics", f"ssl_{which}") for which in ("key_file", "cert_file", "ca_cert_file")]
    names += [("oslo_messaging_rabbit", name) for name in _RABBITS]
    for group, name in names:
        file = conf[group][name]
        if file and not subject.account.may("r", file):
            yield failure(f"[{group}] {name} = {file}: {subject.account.name} cannot read it")


def _of_state(subject: Subject) -> Iterator[Finding]:
    state, who = Path(subject.conf.state_path), subject.account
    if not state.is_dir():
        yield warning(f"[DEFAULT] state_path = {state}: no directory yet; systemd's unit makes it")
        return
    if not who.may("rwx", state):
        yield failure(f"[DEFAULT] state_path = {state}: {who.name} cannot write there")
    for path in sorted(state.iterdir()):
        if path.is_file() and not who.may("rw", path):
            yield failure(f"{path}: {who.name} cannot write it: chown {who.name}")


def _of_log(subject: Subject) -> Iterator[Finding]:
    conf, who = subject.conf, subject.account
    if conf.log_file:
        path = Path(conf.log_dir or "", conf.log_file)
        if not who.may("w", path if path.exists() else path.parent):
            yield failure(f"[DEFAULT] log_file: {who.name} cannot write {path}")
