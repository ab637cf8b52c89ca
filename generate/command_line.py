"""What can be typed: the commands of vif-agentctl and the options of both programs, as values."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from oslo_config import cfg
from oslo_log import log

from vif_agent.cmd.ctl.app import Ctl

_USUAL = ("options", "positional arguments")  # argparse's own titles


class Argument(NamedTuple):
    """``flags``: none of what is known by its place. ``wanted``: how its value is called, if any.
    ``shared``: many commands have it, for it is the table's."""

    flags: tuple[str, ...]
    wanted: str
    choices: tuple[str, ...]
    words: str
    shared: bool = False


class Command(NamedTuple):
    name: str
    words: str
    arguments: list[Argument]

    @property
    def summary(self) -> str:
        """The first sentence."""
        return self.words.partition("\n\n")[0]


def everywhere() -> list[Argument]:
    """Before the command."""
    return list(_arguments(Ctl().parser))


def commands() -> list[Command]:
    app = Ctl()
    return [_command(app, name) for name, _ in sorted(app.command_manager)]


def daemon() -> list[cfg.Opt]:
    """Of vif-agent, but those that name its files: of their defaults --help says None."""
    recorder = _Recorder()
    log.register_options(recorder)
    return sorted(recorder.cli, key=lambda option: str(option.name))


class _Recorder(cfg.ConfigOpts):
    """Which of the options that it is given are for the command line, nobody can ask."""

    def __init__(self) -> None:
        super().__init__()
        self.cli: list[cfg.Opt] = []

    def register_cli_opts(self, opts: Any, group: Any = None) -> None:
        self.cli += opts


def _command(app: Ctl, name: str) -> Command:
    factory, *_ = app.command_manager.find_command(name.split())
    parser = factory(app, None).get_parser(f"{app.NAME} {name}")
    return Command(name, inspect.cleandoc(parser.description or ""), list(_arguments(parser)))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    """argparse tells nobody else what it has been given."""
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.help != argparse.SUPPRESS:
                yield _argument(parser, action, group.title not in _USUAL)


def _argument(parser: argparse.ArgumentParser, action: Any, shared: bool) -> Argument:
    takes_none = action.option_strings and action.nargs == 0
    choices = tuple(map(str, action.choices or ()))
    wanted = "" if takes_none else action.metavar or "|".join(choices) or action.dest.upper()
    words = (action.help or "") % {**vars(action), "prog": parser.prog}
    if action.nargs in ("?", "*") and not action.option_strings:
        wanted = f"[{wanted}]"
    return Argument(tuple(action.option_strings), wanted, choices, words, shared)
