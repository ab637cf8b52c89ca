"""Who answers: the agent over the bus, or this process from the agent's store and the host."""

import logging
import os
from typing import TYPE_CHECKING, Any

from vif_agent import private_names
from vif_agent.cmd.ctl import progress
from vif_agent.cmd.ctl.failures import Failed, Unreachable
from vif_agent.cmd.ctl.remote import Remote
from vif_agent.ports import store_file
from vif_agent.private_names import table

if TYPE_CHECKING:
    from vif_agent.cmd.ctl.local import Local

LOG = logging.getLogger("vif-agentctl")


class Source:
    """Goes over to this host when the agent cannot be asked, if it is this host's agent."""

    def __init__(self, conf: Any, host: str | None, timeout: float, here: bool) -> None:
        self.conf = conf
        self._host = host or conf.host
        if here and self._host != conf.host:
            raise Failed(f"--local: this host is {conf.host}, not {self._host}")
        #: why the agent was not asked, where it should have been
        self.unreachable = ""
        self._answers: Local | Remote = _local(conf) if here else Remote(conf, self._host, timeout)

    @property
    def host(self) -> str:
        """The agent's name on the bus."""
        return str(self._host)

    @property
    def is_of_this_host(self) -> bool:
        """Is it about the host that this process runs on?"""
        return bool(self._host == self.conf.host)

    def ask(self, call: str, /, **arguments: Any) -> Any:
        """The agent if it answers, else its store and this host."""
        with progress.shown(lambda: f"{call}: waiting for {self._host}"):
            return self._ask(call, **arguments)

    def _ask(self, call: str, /, **arguments: Any) -> Any:
        try:
            return self._answers.ask(call, **arguments)
        except Unreachable as error:
            if not self.is_of_this_host or not _possible(self.conf):
                raise
            self.unreachable = str(error)
            LOG.warning("%s; answering from %s and the host", error, self.conf.state_path)
        self._answers = _local(self.conf)
        return self._answers.ask(call, **arguments)

    def ask_agent(self, call: str, /, **arguments: Any) -> Any:
        """The agent alone, for what is in no store; Unreachable while it does not answer."""
        if not isinstance(self._answers, Remote):
            raise Failed("only an agent that runs can tell this; without it: vif-agentctl why PORT")
        return self._answers.ask(call, **arguments)

    def close(self) -> None:
        """Politely: brokers log those who just go."""
        self._answers.close()


def _possible(conf: Any) -> bool:
    """Is the agent's store on this host, where we may read it?"""
    return os.access(store_file.path(conf), os.R_OK | os.W_OK)


def _local(conf: Any) -> "Local":
    """Imported only here: who asks over the bus needs nothing that a library does not promise."""
    if changed := private_names.trouble(table.AGENT):
        raise Failed(changed)
    from vif_agent.cmd.ctl.local import Local

    return Local(conf)
