"""Do the plugins and the firewall driver of other packages load, and are all there that ports
need?"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vif_agent.cmd.status.finding import Finding, failure, good, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.contract import leaves_in
from vif_agent.errors import VifAgentError
from vif_agent.plugin_host.discovery import OWN


def findings(subject: Subject) -> Iterator[Finding]:
    """They are loaded in processes of their own, as the agent does."""
    try:
        plugins = subject.plugins
    except VifAgentError as error:
        yield failure(error)
        return
    needed = Counter(port.vif_type for port in subject.plugged)
    yield from judged(plugins.listed(needed), needed)
    yield from of_driver(plugins.drivers.listed())


def judged(lines: Iterable[Mapping[str, Any]], needed: Mapping[str, int]) -> Iterator[Finding]:
    """``lines``: as ``vif-agentctl plugin list`` has them. ``needed``: ports by vif_type."""
    for line in lines:
        vif_type, count = line["vif_type"], needed.get(line["vif_type"], 0)
        what = f"vif_type {vif_type} ({line['package'] or 'no package'})"
        if line["error"]:
            say = failure if count else warning
            yield say(f"{what}, which {count} ports have: {line['error']}")
        elif count and line["deprecated"]:
            yield warning(
                f"{what} is a former name of {line['plugin']}, and goes in release "
                f"{line['deprecated']}"
            )
        if release := leaves_in(line["contract"] or "1.0"):
            yield warning(f"{what} is written for a contract that goes in release {release}")
        elif not line["error"] and not _is_ours(line):
            yield good(f"{what} loads")


def of_driver(lines: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Of the firewall drivers that are installed one is used."""
    for line in lines:
        what = f"firewall driver {line['driver']} ({line['package']})"
        if line["used"] and line["error"]:
            yield failure(f"{what}: {line['error']}")
        elif line["used"] and line["deprecated"]:
            yield warning(f"{what}: its name in the file goes in release {line['deprecated']}")
        elif line["used"] and not _is_ours(line):
            yield good(f"{what} loads")


def _is_ours(line: Mapping[str, Any]) -> bool:
    return str(line["package"]).partition(" ")[0] == OWN
