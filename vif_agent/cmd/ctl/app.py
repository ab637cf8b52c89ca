"""The command line itself: global options, the log, the exit status."""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from vif_agent import __version__
from vif_agent.cmd.ctl import hosts
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.errors import plain

if TYPE_CHECKING:
    from vif_agent.cmd.ctl.fleet import Fleet
    from vif_agent.cmd.ctl.source import Source

_FAILED = 2
_TIMEOUT = 10.0
_FILES = (
    "the agent's; default: /etc/vif-agent/vif-agent.conf if it is there. On other hosts any file "
    "that has the transport_url"
)
#: of our own log, by how often -v was said and one more; other libraries' only with --debug
_LEVELS = {0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO}


class Ctl(App):
    """Exit status 2 for whatever could not be done or answered; see a command for 0 and 1."""

    NAME = "vif-agentctl"
    LOG = logging.getLogger(NAME)

    def __init__(self) -> None:
        super().__init__(
            description="Ask and operate the vif-agent of a host, over the bus or, on the host "
            "itself, without it.",
            version=__version__,
            command_manager=CommandManager("vif_agentctl"),
            deferred_help=True,
        )
        self._source: Source | None = None
        self._fleet: Fleet | None = None
        self._failed = False

    @property
    def source(self) -> "Source":
        """Made when it is first asked for: --help needs no configuration."""
        if self._source is None:
            _use_threads()
            from vif_agent.cmd.ctl.source import Source

            options = self.options
            self._source = Source(
                _configuration(options), options.host, options.timeout, options.local
            )
        return self._source

    @property
    def fleet(self) -> "Fleet":
        """The same of several hosts."""
        if self._fleet is None:
            from vif_agent.cmd.ctl.fleet import Fleet

            options = self.options
            if options.local:
                raise Failed(f"--local: this is one host, and --host {options.host} is several")
            self._fleet = Fleet(_configuration(options), options.host, options.timeout)
        return self._fleet

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Options before the command: where to ask, and how long."""
        kwargs = {
            "allow_abbrev": False,  # what begins like an option of ours may be a command's
            "prog": self.NAME,
            "usage": "%(prog)s [OPTION ...] COMMAND [ARGUMENT ...]",
            **(argparse_kwargs or {}),
        }
        parser = super().build_option_parser(description, version, kwargs)
        parser.add_argument(
            "--host",
            help="whose agent; default: [DEFAULT] host of the file. For list, orphans and status "
            "also several, with commas between them, and all: all agents that answer",
        )
        parser.add_argument(
            "--config-file",
            action="append",
            default=[],
            help=_FILES,
        )
        parser.add_argument("--config-dir", action="append", default=[], help="as --config-file")
        parser.add_argument(
            "--timeout",
            type=seconds,
            default=_TIMEOUT,
            metavar="SECONDS",
            help=f"how long the agent may take to answer; default: {_TIMEOUT:g}",
        )
        parser.add_argument(
            "--local",
            action="store_true",
            help="ask no agent: answer from its store and from this host. Without this option it "
            "is so when the agent of this host cannot be asked",
        )
        return parser

    def configure_logging(self) -> None:
        """Warnings to stderr, one line each; everything with --debug or --log-file."""
        console = logging.StreamHandler(self.stderr)
        console.setFormatter(logging.Formatter(f"{self.NAME}: %(message)s"))
        root = logging.getLogger()
        root.addHandler(self._log_file())
        if self.options.debug:
            root.addHandler(console)
            root.setLevel(logging.DEBUG)
            return
        level = _LEVELS.get(self.options.verbose_level, logging.DEBUG)
        logging.getLogger(self.NAME).addHandler(console)
        logging.getLogger("cliff").addHandler(console)
        if level < logging.WARNING:  # what it would tell of itself, the answer tells
            logging.getLogger("vif_agent").addHandler(console)
            logging.getLogger("vif_agent").setLevel(level)

    def _log_file(self) -> logging.Handler:
        """With no handler at all Python itself would print."""
        if not self.options.log_file:
            return logging.NullHandler()
        handler = logging.FileHandler(self.options.log_file)
        handler.setFormatter(logging.Formatter(self.LOG_FILE_MESSAGE_FORMAT))
        return handler

    def initialize_app(self, argv: list[str]) -> None:
        """Before a command is looked for."""
        given = self.options.host
        if argv and hosts.are_several(given):
            _use_threads()
            from vif_agent.cmd.ctl.fleet import Commands

            self.command_manager = Commands(given)

    def get_fuzzy_matches(self, cmd: str) -> list[str]:
        """None: cliff would print them on stdout, where a script reads the answer."""
        return []

    def interact(self) -> None:
        """cliff would open a shell."""
        self.parser.error("which command? See --help")

    def clean_up(self, cmd: Command, result: int, err: BaseException | None) -> None:
        """After each command, also one that failed."""
        self._failed = err is not None
        for asked in (self._source, self._fleet):
            if asked:
                asked.close()

    def run(self, argv: list[str]) -> int:
        """The exit status."""
        status = super().run(argv or ["--help"])
        return _FAILED if self._failed else status


class Asking(Command):
    """A command that asks the agent."""

    app: Ctl

    @property
    def source(self) -> "Source":
        """Whom to ask: the agent, or its store and the host."""
        return self.app.source

    def say(self, text: str) -> None:
        """What is found on a host has others' words in it, too."""
        lines = (plain(line, len(line)) for line in text.split("\n"))
        print("\n".join(lines), file=self.app.stdout)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Exit status 0: well; 1: it differs or failed; 2: wrong use."""
    warnings.simplefilter("ignore")
    sys.exit(Ctl().run(list(sys.argv[1:] if argv is None else argv)))


def _use_threads() -> None:
    """Before oslo.messaging is imported, which would import eventlet; --help needs neither."""
    from vif_agent.cmd import concurrency

    concurrency.native_threads()


def _configuration(options: argparse.Namespace) -> Any:
    """As the daemon reads it, the places where it looks for its file included."""
    from oslo_config import cfg

    from vif_agent import config
    from vif_agent.config import checks

    arguments = [f"--config-file={name}" for name in options.config_file]
    arguments += [f"--config-dir={name}" for name in options.config_dir]
    config.register(cfg.CONF)
    try:
        cfg.CONF(arguments, project="vif-agent", prog="vif-agent", version=__version__)
        checks.check(cfg.CONF)
    except (cfg.Error, OSError) as error:
        raise Failed(str(error)) from error
    return cfg.CONF


def seconds(given: str) -> float:
    """For argparse: ValueError for what is no limit."""
    seconds = float(given)
    if not 0 < seconds < float("inf"):
        raise ValueError(given)
    return seconds
