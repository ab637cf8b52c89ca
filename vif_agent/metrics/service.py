"""The agent's door for monitoring, and its file: opened, fed by the loop, and closed."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from vif_agent import health
from vif_agent.config.option_types import host_and_port
from vif_agent.errors import HelperGone, NotYet
from vif_agent.health import Health, Part
from vif_agent.helper import calls
from vif_agent.helper.process import helper
from vif_agent.helper.usage import usage
from vif_agent.metrics.listener import Answer, Listener, Page
from vif_agent.metrics.sources import Sources
from vif_agent.metrics.textfile import Textfile
from vif_agent.metrics.tls import Tls

LOG = logging.getLogger(__name__)

#: between two looks at what only the helper can tell, and two writes of the file
SECONDS = 15.0


class Monitoring:
    """``options``: the group [metrics]. ``pages``: of the listener by path; others may add theirs
    before ``begin``. NotConfigured for files that cannot be used."""

    def __init__(self, options: Any, sources: Sources) -> None:
        self.pages: dict[str, Page] = {}
        self._sources = sources
        self._listener = _listener(options, self.pages)
        self._file = Textfile(options.textfile) if options.textfile else None
        self._trouble = ""
        if self.wanted:  # else the library, and the memory that it takes, is not needed
            from vif_agent.metrics.exported import ENDED, EXPORTED
            from vif_agent.metrics.exposition import CONTENT_TYPE, Exposition

            exposition = Exposition(EXPORTED, sources)
            self._text = exposition.text
            self._last_words = Exposition(ENDED, sources).text
            self.pages["/metrics"] = lambda: Answer(self._text(), content_type=CONTENT_TYPE)
        self.pages |= health_pages(sources.health)

    @property
    def wanted(self) -> bool:
        """By the configuration."""
        return bool(self._listener or self._file)

    def begin(self) -> None:
        """An address that cannot be had keeps no port from being plugged: it is tried again."""
        if self._listener and not self._listener.listening:
            try:
                self._listener.begin()
            except OSError as error:
                if str(error) != self._trouble:
                    LOG.error("[metrics] listen: %s; trying again", error)
                self._trouble = str(error)
            else:
                LOG.info("Metrics are served at %s", self._listener)

    def turn(self) -> None:
        """From the loop, every ``SECONDS``: it may ask the helper."""
        self.begin()
        self._sample()
        if self._file:
            self._file.write(self._text())

    def _sample(self) -> None:
        """What cannot be told stays as it was: no metric may end the agent."""
        sampled = self._sources.sampled
        with contextlib.suppress(OSError):  # no descriptor is left
            sampled.usage = {**sampled.usage, "agent": usage()}
        # its end has its own watch
        with contextlib.suppress(HelperGone, OSError), helper(call="look"):
            sampled.usage = {**sampled.usage, "helper": calls.own_usage()}
        bridge = self._sources.conf.ovs.integration_bridge
        sampled.bridge_ports = {bridge: self._sources.host.ports_in(bridge)}
        if self._sources.host.guards.needed:
            with contextlib.suppress(NotYet, HelperGone):
                sampled.drops = self._sources.host.guards.drops()

    def end(self) -> None:
        """The file stays, says that nobody is ready, and grows old."""
        if self._listener:
            self._listener.end()
        if self._file:
            self._file.write(self._last_words())


def health_pages(of_agent: Health) -> dict[str, Page]:
    """By path. They say it as ``vif-agentctl health`` does; 503 tells who does not read."""

    def say(well: Callable[[Mapping[str, Part]], bool]) -> Answer:
        parts = of_agent.look()
        line = ": ".join(filter(None, health.verdict(parts)))
        return Answer(f"{line}\n".encode(), 200 if well(parts) else 503)

    return {
        "/healthz": lambda: say(health.lives),
        "/readyz": lambda: say(health.takes_requests),
    }


def _listener(options: Any, pages: dict[str, Page]) -> Listener | None:
    tls = Tls.of(options)
    return Listener(host_and_port(options.listen), pages, tls) if options.listen else None
