"""A real RabbitMQ of one's own, as PrivateOvs is a real Open vSwitch.

With VIF_AGENT_RABBIT in the environment, the directory in which another Debian's packages are
unpacked, that one's: its processes see that directory's /usr as theirs, with its Erlang and its C
library. ``scripts/test-rabbit4`` makes and names one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from vif_agent.testing import processes
from vif_agent.testing.processes import Private, Process

# Debian's /usr/sbin wrappers change to the user rabbitmq, who cannot write to our directory.
SERVER = "usr/lib/rabbitmq/lib/rabbitmq_server-*"
ROOT = Path(os.environ.get("VIF_AGENT_RABBIT", "/"))
_IN_ROOT = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0/usr" /usr && exec "$@"', str(ROOT))
NODE = "rabbit@localhost"  # "localhost" resolves where the machine's own name may not
_ERLANG = "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"
_PROTOCOL = b"AMQP\x00\x00\x09\x01"
_LENGTH = (
    'case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"NAME">>)) of '
    "{ok, Q} -> [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), N; _ -> none end"
)
_METHOD_FRAME = b"\x01\x00\x00"  # Connection.Start, on channel 0


def free_ports(count: int) -> list[int]:
    """Free now, on the loopback of this namespace; nothing keeps them free."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in socks]


class PrivateRabbit(Private):
    """Data, logs and cookie are in `directory`; it listens on 127.0.0.1 only, as does its epmd.

    A boot costs about two seconds: launch() begins it, and wait_ready() can come after other work.
    Ports and data survive stop() and kill(). ``settings`` are rabbitmq.conf's. ``beside``: a broker
    that is started before this one and stopped after it, for a cluster of both: see join().
    ``address``: to listen there, for clients in other namespaces.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        settings: Mapping[str, object] | None = None,
        beside: PrivateRabbit | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        spare, epmd_port, self._node_port = free_ports(3)
        self._beside = beside
        self._epmd_port: int = beside._epmd_port if beside else epmd_port
        self.node = f"rabbit-{directory.name}@localhost" if beside else NODE
        self.directory = directory
        self.port = port or spare
        self.address = address
        self.settings = {"loopback_users": "none", **(settings or {})}
        self.url = f"rabbit://guest:guest@{address}:{self.port}/"
        self.epmd: Process | None = None
        self.broker: Process | None = None
        self._env = self._environment()

    def start(self) -> None:
        """Returns when it takes connections."""
        try:
            self.launch()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Returns while the broker is still booting."""
        self._write_files()
        if not self._beside and not processes.alive(self.epmd):
            self.epmd = processes.start(_argv("epmd"), self._env, self.directory / "epmd.out")
            processes.wait_until(lambda: _accepts(self._epmd_port), "epmd", self.epmd)
        self.broker = processes.start(
            _argv(_program("rabbitmq-server")), self._env, self.directory / "broker.out"
        )

    def join(self) -> None:
        """Make a cluster with the one beside; once, for it outlives stop() and kill()."""
        assert self._beside
        self.ctl("stop_app")
        self.ctl("join_cluster", self._beside.node)
        self.ctl("start_app")
        self.wait_ready()

    def wait_ready(self, timeout: float = 240) -> None:
        """Raises with the broker's log when it does not come. Under emulation it takes minutes."""
        processes.wait_until(
            lambda: _speaks_amqp(self.address, self.port), "rabbitmq", self.broker, timeout
        )

    def stop(self) -> None:
        """Orderly, in a second; a VM in its first moments misses the SIGTERM and is killed."""
        processes.end(self.broker, timeout=10)
        processes.end(self.epmd)
        self.broker = self.epmd = None

    def kill(self) -> None:
        """SIGKILL of the Erlang VM; its few children see their pipes close and end themselves."""
        processes.kill(self.broker)
        self.broker = None

    def discard(self) -> None:
        """SIGKILL of all, for who throws the directory away: an orderly stop takes a second."""
        self.kill()
        self.stop()

    def ctl(self, *args: str) -> str:
        """rabbitmqctl; half a second each."""
        return self.run(*args)

    def run(self, *args: str, program: str = "rabbitmqctl") -> str:
        """One of the broker's programs."""
        return processes.run(_argv(_program(program), *args), self._env)

    @contextlib.contextmanager
    def alarm(self) -> Iterator[None]:
        """It takes no message meanwhile, as when its memory is used up."""
        self.ctl("set_vm_memory_high_watermark", "0")
        try:
            yield
        finally:
            self.ctl("set_vm_memory_high_watermark", "0.4")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: connections are accepted, by the kernel, and nothing is said on them."""
        assert self.broker
        self.broker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.broker.send_signal(signal.SIGCONT)

    def queue_length(self, name: str) -> int:
        """Messages ready and delivered but not acknowledged; LookupError if no such queue."""
        answer = self._evaluate(_LENGTH.replace("NAME", name))
        if answer == "none":
            raise LookupError(f"no queue {name!r}")
        return int(answer)

    def _evaluate(self, expression: str) -> str:
        """What the broker makes of it, in Erlang: a hundred times faster than rabbitmqctl."""
        cookie = self.directory.joinpath(".erlang.cookie").read_text()
        call = _argv(_erl_call(), "-sname", self.node, "-c", cookie, "-e")
        answer = processes.run(call, self._env, given=f"{expression}.\n")
        if not answer.startswith("{ok, "):
            raise RuntimeError(f"{self.node}: {expression}: {answer}")
        return answer.removeprefix("{ok, ").removesuffix("}")

    def _write_files(self) -> None:
        self.directory.joinpath("env.conf").touch()
        self.directory.joinpath("enabled_plugins").write_text("[].\n")
        self.directory.joinpath("advanced.config").write_text(
            "[{rabbit, [{disk_free_limit, 1000000}]}].\n"
        )
        self.directory.joinpath("rabbitmq.conf").write_text(
            "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        )
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            theirs = self._beside and self._beside.directory / cookie.name
            cookie.write_text(theirs.read_text() if theirs else os.urandom(16).hex())
        self._write_plugins()

    def _write_plugins(self) -> None:
        """The broker itself and none of the other sixty, all of which it would look through."""
        directory = self.directory / "plugins"
        directory.mkdir(exist_ok=True)
        for server in _installed("plugins/rabbit-[0-9]*"):
            with contextlib.suppress(FileExistsError):
                directory.joinpath(server.name).symlink_to(_seen(server))

    def _environment(self) -> dict[str, str]:
        """Nothing is inherited but PATH: a stray RABBITMQ_* would lead to somebody else's broker.

        RUNNING_UNDER_SYSTEMD lets the start script exec the VM, so that its pid is the one we know.
        """
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),  # of the cookie
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_CRASH_DUMP": str(self.directory / "erl_crash.dump"),
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "very_short",  # default "none" boots in 5 s
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": self.address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RABBITMQ_CTL_ERL_ARGS": _ERLANG,
            **self._paths(),
        }

    def _paths(self) -> dict[str, str]:
        names = {
            "CONF_ENV_FILE": "env.conf",
            "CONFIG_FILE": "rabbitmq",
            "ADVANCED_CONFIG_FILE": "advanced.config",
            "ENABLED_PLUGINS_FILE": "enabled_plugins",
            "MNESIA_BASE": "mnesia",
            "LOG_BASE": "log",
            "LOGS": "rabbit.log",
            "PID_FILE": "rabbit.pid",
            "PLUGINS_DIR": "plugins",
        }
        return {f"RABBITMQ_{key}": str(self.directory / name) for key, name in names.items()}


def version() -> tuple[int, ...]:
    """Of the broker that is started here, e.g. (3, 10, 8)."""
    name = _installed("sbin")[-1].parent.name
    return tuple(int(number) for number in name.rpartition("-")[2].split("."))


def _argv(*argv: str) -> tuple[str, ...]:
    """exec all the way, so that the pid is the one we know; the mount ends with the process."""
    return argv if str(ROOT) == "/" else (*_IN_ROOT, *argv)


def _program(name: str) -> str:
    return str(_seen(_installed(f"sbin/{name}")[-1]))


def _erl_call() -> str:
    return str(_seen(max(ROOT.glob("usr/lib/erlang/erts-*/bin/erl_call"))))


def _seen(path: Path) -> Path:
    """As the broker's processes see it."""
    return Path("/") / path.relative_to(ROOT)


def _installed(pattern: str) -> list[Path]:
    if found := sorted(ROOT.glob(f"{SERVER}/{pattern}")):
        return found
    raise FileNotFoundError(f"{ROOT / SERVER}/{pattern}: is rabbitmq-server installed?")


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _speaks_amqp(address: str, port: int) -> bool:
    """The port opens before the broker can serve: only its answer counts."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address, port), timeout=5) as sock,
    ):
        sock.sendall(_PROTOCOL)
        return sock.recv(len(_METHOD_FRAME)) == _METHOD_FRAME
    return False
