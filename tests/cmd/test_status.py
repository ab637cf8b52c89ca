"""What will not work after an upgrade, said beforehand: beside a real agent, with its store, its
broker, its Open vSwitch and its kernel; and nothing is changed by it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import kombu
import pytest

from tests.support import foreign, without_nftables
from tests.support.accounts import AS_NOBODY, NOBODY
from tests.support.asked_status import FAILURE, GOOD, STATUS, WARNING, Answer, says, upgrade_check
from tests.support.casting import QUEUE, Site, Vif
from tests.support.operating import stopped
from tests.support.real_host import ip, links
from vif_agent import bus
from vif_agent.cmd.status.trial import GUARDS
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

Payload = Callable[[str], Vif]

CALLS = f"{bus.ADMIN_TOPIC}.{HOST}"
PLUGINS = "Plugins and firewall drivers"
#: but the one by which it, and what it starts, reaches Python, wherever that is
NO_CAPABILITY = (
    *AS_NOBODY,
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)


class Left(NamedTuple):
    """By an agent that had three ports, and was asked about while it ran."""

    site: Site
    ports: list[str]
    beside: Answer
    writes: list[str]
    queues: tuple[str, str]
    states: set[str]


@pytest.fixture(scope="module")
def left(scratch_with_bus: ScratchHost, payload: Payload) -> Iterator[Left]:
    with Site(scratch_with_bus, "threading") as site:
        site.daemon.config_file.chmod(0o640)
        vifs = [payload(name) for name in ("ovs_hybrid", "ovs_create_tap", "bridge")]
        for vif in vifs:
            site.plug(vif)
        before, said = queues(site.rabbit), list[Answer]()
        writes = site.writes(lambda: said.append(upgrade_check(site.daemon.config_file)))
        there, states = (before, queues(site.rabbit)), site.states()
        with stopped(site.daemon):
            yield Left(site, [vif["id"] for vif in vifs], said[0], writes, there, states)


@pytest.fixture
def config(left: Left, tmp_path: Path) -> Config:
    """With a copy of the store."""
    state = left.site.daemon.state_path
    shutil.copytree(state, tmp_path / "state")
    text = left.site.daemon.config_file.read_text()
    path = tmp_path / "vif-agent.conf"
    path.touch(mode=0o640)
    path.write_text(text.replace(str(state), str(tmp_path / "state")))
    return Config(path, tmp_path / "state")


class Config:
    def __init__(self, path: Path, state: Path) -> None:
        self.path, self.state = path, state
        self.store = state / "vif-agent.sqlite"

    def set(self, group: str, **options: object) -> None:
        lines = (f"{name} = {value}\n" for name, value in options.items())
        self.path.write_text(f"{self.path.read_text()}[{group}]\n{''.join(lines)}")

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            yield db
            db.commit()


def contents(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """With owner and mode; of what readers of SQLite share, which it makes anew, only these."""
    return {
        path.name: (stat.st_uid, stat.st_mode, b"" if "-shm" in path.name else path.read_bytes())
        for path in directory.iterdir()
        for stat in [path.stat()]
    }


def queues(rabbit: PrivateRabbit) -> str:
    fields = ("name", "durable", "arguments", "messages", "consumers")
    return "".join(sorted(rabbit.ctl("-q", "list_queues", *fields).splitlines(keepends=True)))


def test_all_is_well_beside_a_running_agent(left: Left) -> None:
    answer = left.beside
    assert answer.well(), answer
    assert answer.details["Store"] == "(1) 3 ports (2) an agent runs on it"
    assert answer.details["Broker"].startswith("RabbitMQ ")
    assert answer.details["Open vSwitch"] == "connected"
    assert "bridge" in answer.details["Kernel"]
    assert (left.writes, left.queues[1]) == ([], left.queues[0])
    assert left.states == {"ready"}


def test_nothing_is_changed_where_no_agent_runs(config: Config) -> None:
    before = contents(config.state)
    answer = upgrade_check(config.path)
    assert answer.well(), answer
    assert "no agent runs on it" in answer.details["Store"]
    assert contents(config.state) == before


def test_the_agents_account_can_ask(left: Left) -> None:
    """Without a capability."""
    config, state = left.site.daemon.config_file, left.site.daemon.state_path
    with contextlib.ExitStack() as stack:
        for path in (config, state, *state.iterdir()):
            os.chown(path, NOBODY, NOBODY)
            stack.callback(os.chown, path, 0, 0)
        answer = upgrade_check(config, under=NO_CAPABILITY)
    assert {**answer.results, "Kernel": GOOD} == dict.fromkeys(answer.results, GOOD), answer
    assert answer.results["Kernel"] == GOOD or "without root" in answer.details["Kernel"]


def test_without_net_admin_the_kernel_is_not_said_to_lack_anything() -> None:
    """As in a user namespace that gives no capability."""
    bounded = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    trial = (sys.executable, "-m", "vif_agent.cmd.status.trial", "/dev/net/tun", "bridge", GUARDS)
    said = json.loads(processes.run((*bounded, *trial), os.environ))
    assert said == {"": "no CAP_NET_ADMIN in a network namespace of its own"}


def test_store_of_a_newer_release(config: Config) -> None:
    with config.opened() as db:
        db.execute("PRAGMA user_version = 99")
    assert "is of a newer release (form 99" in says("store", config.path, FAILURE)


def test_store_of_an_older_release(config: Config) -> None:
    """It is brought up to date in a copy."""
    with config.opened() as db:
        for column in ("formers", "source", "boot", "taken", "left_at"):
            db.execute(f"ALTER TABLE ports DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 0")
        db.execute("PRAGMA journal_mode = DELETE")
    before = contents(config.state)
    assert "3 ports" in says("store", config.path, GOOD)
    assert contents(config.state) == before


def test_store_that_is_none(config: Config) -> None:
    config.store.write_bytes(b"of somebody else" * 1000)
    assert "file is not a database" in says("store", config.path, FAILURE)


def test_store_that_is_spoilt(config: Config) -> None:
    data = bytearray(config.store.read_bytes())
    data[4096:] = b"\x7f" * (len(data) - 4096)
    config.store.write_bytes(data)
    assert "cast the full set of ports" in says("store", config.path, FAILURE)


def test_rows_that_are_spoilt(left: Left, config: Config) -> None:
    with config.opened() as db:
        db.execute("UPDATE ports SET vif = '{' WHERE port_id = ?", (left.ports[0],))
    assert left.ports[0] in says("store", config.path, WARNING)


def test_store_that_was_being_put_back(config: Config) -> None:
    """The next start takes the copy that was saved."""
    config.store.rename(config.state / "vif-agent.sqlite.saved")
    assert "3 ports" in says("store", config.path, GOOD)


def test_no_store_yet(config: Config) -> None:
    config.store.unlink()
    assert "the agent makes one" in says("store", config.path, GOOD)
    assert not config.store.exists()


def test_options(config: Config) -> None:
    config.set("vif_agent", retry_maximum=3)
    config.set("networks", vxlan_local_ip="192.0.2.1")
    config.set("of_a_plugin", anything=1)
    said = says("options", config.path, WARNING)
    assert "[vif_agent] retry_maximum (vif-agent.conf) is unknown" in said
    assert "is retry_max meant?" in said
    assert "there is no such group; is [network] meant?" in said
    assert "of_a_plugin" not in said


@pytest.mark.parametrize(
    ("group", "name", "value", "words"),
    [
        ("vif_agent", "retry_max", "soon", "[vif_agent] retry_max = soon"),
        ("ovs", "create_tap", "perhaps", "[ovs] create_tap = perhaps"),
        ("oslo_messaging_rabbit", "amqp_durable_queues", "si", "amqp_durable_queues = si"),
        ("vif_agent", "tap_owner", "no-such-account", "there is no such account"),
        ("neutron", "enabled", "true", "expected [bridge] wire_taps = true with it"),
    ],
)
def test_wrong_values(config: Config, group: str, name: str, value: str, words: str) -> None:
    config.set(group, **{name: value})
    assert words in says("options", config.path, FAILURE)


def test_a_wrong_value_keeps_other_questions_from_being_asked(config: Config) -> None:
    config.set("ovs", ovsdb_timeout="soon")
    answer = upgrade_check(config.path)
    assert (answer.code, answer.results["Options"]) == (FAILURE, FAILURE), answer
    assert answer.results["Open vSwitch"] == WARNING
    assert answer.details["Open vSwitch"].startswith("not asked, for an option is wrong: ")


def test_files_that_the_account_cannot_use(config: Config) -> None:
    """Root asks, and judges for the account that has the store."""
    os.chown(config.state, NOBODY, NOBODY)
    config.path.chmod(0o602)
    said = says("files", config.path, FAILURE)
    assert f"{config.path}: nobody cannot read it" in said
    assert f"{config.store}: nobody cannot write it" in said
    assert "others can write it" in said


def test_password_that_everybody_can_read(config: Config) -> None:
    config.path.chmod(0o644)
    said = says("files", config.path, WARNING)
    assert "has the broker's password, and everybody can read it" in said
    assert "guest" not in said


def test_files_that_are_not_there(config: Config) -> None:
    config.set("metrics", ssl_cert_file="/none.pem", ssl_key_file="/none.pem")
    said = says("files", config.path, FAILURE)
    assert "[metrics] ssl_cert_file = /none.pem: No such file or directory" in said


def _kernel_has_vlans() -> bool:
    """By ip(8)."""
    ip("link", "add", "try0", "type", "veth", "peer", "name", "try1")
    try:
        ip("link", "add", "link", "try0", "name", "try0.7", "type", "vlan", "id", "7")
        return True
    except RuntimeError:
        return False
    finally:
        ip("link", "delete", "try0")


def test_what_the_kernel_lacks(config: Config) -> None:
    """Seen by making one, as the agent would, where nobody sees it."""
    config.set("network", physical_interface_mappings="physnet1:eth7")
    has, before = _kernel_has_vlans(), links().keys()
    said = says("kernel", config.path, GOOD if has else WARNING)
    assert ("vlan" if has else "vlan: Operation not supported (Unknown device type)") in said
    assert links().keys() == before


def test_kernel_without_nftables(config: Config) -> None:
    """A warning where nobody has asked for guards."""
    under = (sys.executable, str(without_nftables.__file__))
    answer = upgrade_check(config.path, under=under)
    assert (answer.code, answer.results["Kernel"]) == (WARNING, WARNING), answer
    words = "nf_tables: Protocol not supported; without it no port is guarded"
    assert words in answer.details["Kernel"]


def test_device_that_makes_taps_is_missing(config: Config) -> None:
    lines = config.path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("tun_device")]
    config.path.write_text("\n".join(kept) + "\n")
    config.set("vif_agent", tun_device="/no/such/tun")
    said = says("kernel", config.path, FAILURE)
    assert "tap: No such file or directory; 2 ports that are plugged have one" in said


def test_open_vswitch_that_ports_need(config: Config) -> None:
    assert says("open_vswitch", config.path, GOOD) == "connected"
    config.set("ovs", ovsdb_connection="unix:/no/such/db.sock")
    said = says("open_vswitch", config.path, FAILURE)
    assert "not connected to unix:/no/such/db.sock: No such file or directory" in said
    assert "2 ports need it" in said


def test_open_vswitch_that_no_port_needs(config: Config) -> None:
    config.store.unlink()
    config.set("ovs", ovsdb_connection="unix:/no/such/db.sock")
    says("open_vswitch", config.path, GOOD)


@contextlib.contextmanager
def _channel(rabbit: PrivateRabbit) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(rabbit.url.replace("rabbit://", "amqp://")) as connection:
        yield connection.default_channel


QUORUM: dict[str, Any] = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
OTHERWISE: Mapping[str, dict[str, Any]] = {"durable": {"durable": True}, "quorum": QUORUM}


@pytest.fixture
def broker(left: Left) -> Iterator[Any]:
    """Without our queues and our exchange, before and after."""
    with _channel(left.site.rabbit) as channel:
        for _before_and_after in range(2):
            for queue in (QUEUE, CALLS):
                channel.queue_delete(queue)
            channel.exchange_delete(bus.EXCHANGE)
            if _before_and_after == 0:
                yield channel


@pytest.mark.broker
@pytest.mark.parametrize("how", OTHERWISE)
def test_queue_that_is_there_otherwise(left: Left, config: Config, broker: Any, how: str) -> None:
    broker.queue_declare(QUEUE, auto_delete=False, **OTHERWISE[how])
    before = queues(left.site.rabbit)
    said = says("broker", config.path, FAILURE)
    assert queues(left.site.rabbit) == before
    assert f"queue {QUEUE} (vhost /) was declared before with" in said
    assert f"rabbitmqctl delete_queue --vhost / {QUEUE}" in said


@pytest.mark.broker
def test_exchange_that_is_there_otherwise_and_a_queue_without_limit(
    config: Config, broker: Any
) -> None:
    config.set("oslo_messaging_rabbit", rabbit_quorum_queue="true")
    broker.exchange_declare(bus.EXCHANGE, "topic", durable=False, auto_delete=False)
    for queue in (QUEUE, CALLS):
        broker.queue_declare(queue, auto_delete=False, **QUORUM)
    said = says("broker", config.path, FAILURE)
    assert f"exchange {bus.EXCHANGE} (vhost /) was declared before with durable=false" in said
    assert f"queue {QUEUE} (vhost /) was declared by an earlier release without" in said
    assert f"queue {CALLS}" not in said


@pytest.mark.broker
def test_what_is_not_there_is_not_made(left: Left, config: Config, broker: Any) -> None:
    before = queues(left.site.rabbit)
    assert "RabbitMQ" in says("broker", config.path, GOOD)
    assert queues(left.site.rabbit) == before
    assert QUEUE not in before
    assert bus.EXCHANGE not in left.site.rabbit.ctl("-q", "list_exchanges", "name").split()


@pytest.mark.broker
def test_broker_that_refuses_the_login(config: Config) -> None:
    config.path.write_text(config.path.read_text().replace("guest:guest", "guest:secret"))
    said = says("broker", config.path, FAILURE)
    assert "the broker refuses" in said
    assert "secret" not in said


def test_broker_that_is_away(left: Left, config: Config) -> None:
    away = "rabbit://guest:pw@127.0.0.1:1/"
    config.path.write_text(config.path.read_text().replace(left.site.rabbit.url, away))
    said = says("broker", config.path, WARNING)
    assert "cannot be asked" in said
    assert "Look again when it is there" in said
    assert "pw" not in said


SOURCE = """
class Broken(Plugin):
    contract = "9.0"
"""


def test_plugin_of_another_package_that_does_not_load(config: Config, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    foreign.package(site, "acme-vif", SOURCE, {"acme": "Broken"})
    under = ("env", f"PYTHONPATH={site}")
    answer = upgrade_check(config.path, under)
    assert answer.code == answer.results[PLUGINS] == WARNING, answer
    assert "vif_type acme (acme-vif 1.0), which 0 ports have: " in answer.details[PLUGINS]
    assert "contract 9.0 is not known to this agent" in answer.details[PLUGINS]
    config.set("plugins", override="ovs:acme")
    answer = upgrade_check(config.path, under)
    assert answer.code == answer.results[PLUGINS] == FAILURE, answer
    assert "expected a plugin that can be used" in answer.details[PLUGINS]


def test_ports_of_a_type_that_nobody_plugs(config: Config) -> None:
    with config.opened() as db:
        db.execute("UPDATE ports SET vif_type = 'acme'")
    said = says("plugins", config.path, FAILURE)
    assert "vif_type acme (no package), which 3 ports have: not installed" in said


def test_library_that_has_changed(config: Config) -> None:
    """Only what needs no such library is asked then."""
    program = (
        "from ovs.reconnect import Reconnect\n"
        "del Reconnect.disconnected\n"
        "from vif_agent.cmd.status.app import main\n"
        f"main(['--config-file', {str(config.path)!r}, 'upgrade', 'check', '--json'])\n"
    )
    done = _run(sys.executable, "-W", "ignore", "-c", program)
    checks = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == checks["Libraries"]["result"] == FAILURE
    assert "ovs.reconnect:Reconnect.disconnected is missing" in checks["Libraries"]["details"]
    assert checks["Open vSwitch"]["details"] == "not asked, for a library is not as it must be"
    assert checks["Store"]["result"] == GOOD


def test_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    done = _run(STATUS, "--config-file", str(tmp_path / "none"), "upgrade", "check")
    assert (done.returncode, done.stdout) == (FAILURE, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("vif-agent-status: Failed to find some config files")


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
