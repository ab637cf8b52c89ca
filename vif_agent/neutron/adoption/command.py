"""``vif-agent-neutron``: on a controller, with Neutron's files and in its environment."""

import argparse
import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from sqlalchemy.exc import SQLAlchemyError

from vif_agent.neutron import binding
from vif_agent.neutron.adoption import agents as reported
from vif_agent.neutron.adoption import database, nova, settings, shown
from vif_agent.neutron.adoption.agents import Agent
from vif_agent.neutron.adoption.engine import Engine
from vif_agent.neutron.adoption.ports import ADOPT, RETURN, Bound, Sorted, Way, sort

_REFUSED, _FAILED = 1, 2


class Refusal(Exception):
    """Nothing of the host is changed."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Exit status 0: well; 1: something is refused; 2: it could not be done."""
    options = _parser().parse_args(argv)
    try:
        conf = settings.read(options.config_file)
        sys.exit(options.run(options, conf, Engine(conf.database.connection)))
    except (settings.Unreadable, database.Changed) as error:
        _end(str(error))
    except SQLAlchemyError as error:
        _end(f"Neutron's database: {error.args[0] if error.args else error}")


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


def _prepare(options: argparse.Namespace, _: Any, engine: Engine) -> int:
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


def _move(options: argparse.Namespace, conf: Any, engine: Engine) -> int:
    status = 0
    for host in options.host:
        try:
            found = _moved(options, conf, engine, host)
        except Refusal as refusal:
            print(f"{host}: refused: {refusal}")
            status = _REFUSED
            continue
        applied = options.apply and not _kept(options, found)
        print("\n".join(shown.lines(host, found, options.way, applied)))
        if options.apply and not applied:
            print(f"{host}: nothing is changed, for some are refused (see --partly)")
        elif applied:
            print("\n".join(_told(host, conf, (*found.changes, *found.done))))
        status = _REFUSED if found.refused else status
    return status


def _moved(options: argparse.Namespace, conf: Any, engine: Engine, host: str) -> Sorted:
    """One transaction for the host: changed is what was read in it."""
    way: Way = options.way
    with engine.transaction() as transaction:
        agents = database.agents(transaction)
        if why := reported.hindrance(host, agents, way, _now(), conf.agent_down_time):
            raise Refusal(why)
        serving = next(a for a in agents if (a.host, a.type) == (host, way.agent))
        ports = database.bound(transaction, host, way)
        found = sort(ports, way, serving.serves, _ignored(options, conf))
        _check_tunnels(transaction, agents, found, way)
        if options.apply and not _kept(options, found):
            details = _details(way, serving, conf)
            database.change(transaction, host, found.changes, way, details)
    return found


def _check_tunnels(
    transaction: database.Transaction, agents: Sequence[Agent], found: Sorted, way: Way
) -> None:
    """By l2population the others' ends are in the kernel already, but the agent, told of fewer,
    would take them away."""
    tunnelled = any(level.segment.type == "vxlan" for p in found.changes for level in p.levels)
    if way is ADOPT and tunnelled and reported.is_populated(agents):
        missing = database.missing_ends(transaction, reported.tunnel_ends(agents))
        if missing:
            raise Refusal(
                f"vif-agent would not know the tunnel ends of {', '.join(missing)}: run "
                "vif-agent-neutron prepare --apply, and then start the host's vif-agent anew"
            )


def _kept(options: argparse.Namespace, found: Sorted) -> bool:
    return bool(found.refused) and not options.partly


def _ignored(options: argparse.Namespace, conf: Any) -> frozenset[str]:
    given = {*options.ignore}
    if conf.ml2_vif_agent.security_groups == binding.IGNORED:
        given.add("security-groups")
    return frozenset(given)


def _details(way: Way, serving: Agent, conf: Any) -> Mapping[str, Any]:
    """What the driver itself says of a port that it binds."""
    if way is ADOPT:
        return binding.vif_details(serving.configurations)
    return {"port_filter": conf.securitygroup.enable_security_group, "connectivity": "l2"}


def _told(host: str, conf: Any, ports: Sequence[Bound]) -> Iterator[str]:
    given = nova.events(ports)
    if not conf.nova.auth_type:
        yield f"{host}: nova is not told, for neutron.conf has no [nova] auth_type"
        return
    not_taken = [*nova.tell(conf, given)]
    yield from (f"{host}: {words}" for words in not_taken)
    yield f"{host}: nova told to read {len(given)} ports anew, {len(not_taken)} times in vain"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


if __name__ == "__main__":
    main()
