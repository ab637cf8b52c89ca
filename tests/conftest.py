"""The whole suite runs in a network namespace of its own; nothing of it reaches the machine's."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support import failures, skips
from tests.support.examples import PAYLOADS
from tests.support.leavings import tables
from tests.support.real_host import Ports
from tests.support.rig import Rig
from tests.support.sharing import OPTION, Share, by_length
from tests.support.standins import Standins
from tests.support.vendors import PROGRAMS
from vif_agent.host.real import RealHost
from vif_agent.ports.store import Store

pytest_plugins = ["vif_agent.testing.fixtures"]
collect_ignore = ["neutron/in_neutron"]  # tests/neutron/test_driver.py runs it where Neutron is

_FIGURES = pytest.StashKey[list[str]]()
_SHARE = pytest.StashKey[Share]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, metavar="DIR", help="run what no other run here has taken")
    parser.addoption(skips.OPTION, type=Path, metavar="FILE", help="add what was skipped, and why")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("untimed", deadline=None)  # one example may wait for a busy machine
    settings.load_profile("untimed")
    # of a shell's job in the background it is ignored, and so it would be of all that we start
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_FIGURES] = []
    if directory := config.getoption(OPTION):
        config.stash[_SHARE] = Share(directory)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _SHARE in config.stash:
        items[:] = by_length(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """True: it has been run, as other runs have left it to us."""
    share = session.config.stash.get(_SHARE, None)
    if share is None or session.testsfailed or session.config.option.collectonly:
        return None
    share.run(session)
    return True


def pytest_sessionstart(session: pytest.Session) -> None:
    """A SIGTERM ends the run as Ctrl-C does: what the fixtures have started is stopped."""
    from vif_agent.testing import fixtures  # pytest_plugins must be the first to import it

    fixtures.isolate()
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """CI keeps nothing but what is printed."""
    report = yield
    if report.failed:
        report.sections += failures.logs(getattr(item, "funcargs", {}))
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What tests have counted: capture hides the output of tests that pass."""
    if lines := config.stash[_FIGURES]:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(line)
    if path := config.getoption(skips.OPTION):
        skips.append(terminalreporter.stats.get("skipped", []), path)


@pytest.fixture(scope="module", autouse=True)
def no_tables_left() -> Iterator[None]:
    """The module that leaves one fails, and not the one that stumbles over it."""
    before = tables()
    yield
    assert sorted(tables() - before) == []


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Record a line for the section "figures" at the end of the run."""
    return request.config.stash[_FIGURES].append


@pytest.fixture(scope="session")
def payload() -> Callable[[str], dict[str, Any]]:
    """A fresh copy of one of the shipped casts' ``vif`` arguments, by file name."""

    def load(name: str) -> dict[str, Any]:
        vif: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
        return vif

    return load


@pytest.fixture
def ports(host: RealHost, store: Store) -> Ports:
    """The engine on the real host: plug and unplug, without a bus."""
    return Ports(host, store)


@pytest.fixture
def standins(tmp_path: Path) -> Standins:
    """Of all vendors' programs that the payloads need."""
    return Standins(tmp_path, *PROGRAMS)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """The engine on the fake host, with our own plugins."""
    rig = Rig(tmp_path)
    yield rig
    rig.store.close()
