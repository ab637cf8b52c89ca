"""``vif-agent-neutron``: on a controller, with Neutron's files and in its environment."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from vif_agent.neutron import binding
from vif_agent.neutron.adoption import agents as reported
from vif_agent.neutron.adoption import database, nova, settings, shown
from vif_agent.neutron.adoption.moving import move
from vif_agent.neutron.adoption.ports import ADOPT, RETURN, Bound

_REFUSED, _FAILED = 1, 2


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Exit status 0: well; 1: something is refused; 2: it could not be done."""
    options = _parser().parse_args(argv)
    try:
        from vif_agent.neutron.adoption.engine import Engine

        conf = settings.read(options.config_file)
        sys.exit(options.run(options, conf, Engine(conf.database.connection)))
    except ImportError as error:  # on a compute node, say, which has the command as well
        _end(
            f"{error.name} is not installed here: the command runs on a controller, in Neutron's "
            "environment with vif-agent's extra [neutron] (pip install '.[neutron]' in a checkout)"
        )
    except (settings.Unreadable, database.Changed, database.Failed) as error:
        _end(str(error))


def _end(why: str) -> NoReturn:
    print(f"vif-agent-neutron: {why}", file=sys.stderr)
    sys.exit(_FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vif-agent-neutron",
        description="Moves ports that Neutron's linux bridge driver has bound to vif-agent's, host "
        "by host, and back. Shows what it would do; changes it with --apply.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, way, text in (
        ("adopt", ADOPT, "from the linux bridge driver to vif-agent's"),
        ("return", RETURN, "from vif-agent's driver back to the linux bridge's"),
    ):
        command = commands.add_parser(name, help=f"move the ports of hosts {text}")
        command.add_argument("host", nargs="+", metavar="HOST", help="as Neutron's agents call it")
        command.add_argument(
            "--partly", action="store_true", help="change the others, if some ports are refused"
        )
        command.add_argument(
            "--ignore",
            action="append",
            default=[],
            choices=["qos"],
            help="move ports with a QoS policy, too: nobody enforces it then",
        )
        command.set_defaults(run=_move, way=way)
    prepare = commands.add_parser(
        "prepare", help="before the first host: tell vif-agents the tunnel ends of the others"
    )
    prepare.set_defaults(run=_prepare)
    for command in commands.choices.values():
        command.add_argument("--apply", action="store_true", help="do it; else it is only shown")
        command.add_argument(
            "--config-file",
            action="append",
            default=[],
            metavar="FILE",
            help="Neutron's; default: neutron.conf and plugins/ml2/ml2_conf.ini in /etc/neutron",
        )
    return parser


def _prepare(options: argparse.Namespace, _: Any, engine: database.Transactions) -> int:
    with engine.transaction() as transaction:
        ends = reported.tunnel_ends(database.agents(transaction))
        missing = database.missing_ends(transaction, ends)
        if options.apply:
            database.add_ends(transaction, missing)
    for host, address in missing.items():
        print(f"{host}: tunnel end {address}, of its linux bridge agent")
    print(
        f"{len(missing)} tunnel ends {'made known' if options.apply else 'to make known'}, "
        f"{len(ends) - len(missing)} are known"
    )
    return 0


def _move(options: argparse.Namespace, conf: Any, engine: database.Transactions) -> int:
    status = 0
    ignored = frozenset(options.ignore) | _ignored(conf)
    for host in options.host:
        given = (options.way, ignored, options.apply, options.partly)
        moved = move(engine, conf, host, *given)
        print("\n".join(shown.lines(host, moved, options.way)))
        if moved.applied:
            print("\n".join(_told(host, conf, (*moved.found.changes, *moved.found.done))))
        if moved.hindrance or moved.found.refused:
            status = _REFUSED
    return status


def _ignored(conf: Any) -> frozenset[str]:
    """What the driver itself lets go."""
    ignored = conf.ml2_vif_agent.security_groups == binding.IGNORED
    return frozenset({"security-groups"} if ignored else ())


def _told(host: str, conf: Any, ports: Sequence[Bound]) -> Iterator[str]:
    given = nova.events(ports)
    if not conf.nova.auth_type:
        yield f"{host}: nova is not told, for neutron.conf has no [nova] auth_type"
        return
    not_taken = [*nova.tell(conf, given)]
    yield from (f"{host}: {words}" for words in not_taken)
    yield f"{host}: nova told to read {len(given)} ports anew, {len(not_taken)} times in vain"


if __name__ == "__main__":
    main()
