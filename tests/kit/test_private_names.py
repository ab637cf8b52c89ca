"""Names that libraries do not promise: all in one room, and looked at before they are used."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest

import vif_agent
from vif_agent import private_names
from vif_agent.private_names import table
from vif_agent.private_names.looks import Keeps, Look, Says, Takes, There

SOURCE = Path(vif_agent.__file__).parent
ROOM = SOURCE / "private_names"
CHANGED = "tests.support.changed_library"


def test_installed_libraries_are_as_they_were() -> None:
    """Versions of constraints.txt; scripts/test-versions runs it with the lowest and the newest."""
    assert private_names.trouble(table.AGENT) == ""
    assert private_names.trouble(table.NOVA) == ""


@pytest.mark.parametrize(
    ("look", "wrong"),
    [
        (There(f"{CHANGED}:send"), ""),
        (There(f"{CHANGED}:receive"), f"{CHANGED}:receive is missing"),
        (There(f"{CHANGED}.gone:send"), f"{CHANGED}.gone:send is missing"),
        (There(f"{CHANGED}:Connection._gone"), f"{CHANGED}:Connection._gone is missing"),
        (Takes(f"{CHANGED}:send", "message"), ""),
        (Takes(f"{CHANGED}:send", ""), ""),
        (
            Takes(f"{CHANGED}:send", "message retry"),
            f"{CHANGED}:send takes (message), not (message, retry)",
        ),
        (Takes(f"{CHANGED}:Connection._set_channel", "self channel"), ""),
        (
            Takes(f"{CHANGED}:Connection._set_channel", "self new_channel"),
            f"{CHANGED}:Connection._set_channel takes (self, channel, quickly), "
            "not (self, new_channel)",
        ),
        (Takes(f"{CHANGED}:__doc__", ""), f"{CHANGED}:__doc__ cannot be called"),
        (Keeps(f"{CHANGED}:Connection", "_channel _consumers reset"), ""),
        (Keeps(f"{CHANGED}:Connection", "reset _tags"), f"{CHANGED}:Connection._tags is missing"),
        (Keeps(f"{CHANGED}:Gone", "_channel"), f"{CHANGED}:Gone is missing"),
        (Says(f"{CHANGED}:Connection.connect", "Connection failed: "), ""),
        (
            Says(f"{CHANGED}:Connection.connect", "Cannot connect"),
            f"{CHANGED}:Connection.connect does not say 'Cannot connect' any more",
        ),
    ],
)  # fmt: skip
def test_what_has_changed_is_named(look: Look, wrong: str) -> None:
    assert look.trouble() == wrong


def test_one_line_names_library_version_name_and_what_is_tested() -> None:
    changed = {
        "oslo.config": [There("oslo_config.cfg:ConfigOpts")],
        "oslo.messaging": [There(f"{CHANGED}:send"), There(f"{CHANGED}:receive")],
    }
    version = metadata.version("oslo.messaging")
    line = private_names.trouble(changed)
    begin = f"oslo.messaging {version}: {CHANGED}:receive is missing; this vif-agent is tested with"
    assert line.startswith(f"{begin} oslo.messaging ")
    assert "<" in line.removeprefix(begin)
    assert ">=" in line.removeprefix(begin)
    assert "\n" not in line


def test_library_that_is_not_there() -> None:
    line = private_names.trouble({"no-such-library": [There("no_such_library:name")]})
    assert line == (
        "no-such-library (not installed): no_such_library:name is missing; "
        "this vif-agent names no version of no-such-library"
    )


def test_private_names_stand_in_their_room_alone() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {name}"
        for path in sorted(SOURCE.rglob("*.py"))
        if ROOM not in path.parents
        for line, name in _private(ast.parse(path.read_text()))
    ]
    assert found == []


def test_no_class_replaces_a_private_method_of_a_library() -> None:
    found = [
        f"{kind.__module__}.{kind.__name__}.{name}"
        for kind in _classes()
        if not kind.__module__.startswith("vif_agent.private_names.")
        for name, value in vars(kind).items()
        if inspect.isroutine(value) and name.startswith("_") and not name.startswith("__")
        if any(name in vars(base) for base in kind.__mro__ if _is_a_librarys(base))
    ]
    assert found == []


SAMPLES = {
    "from library import _name": ["_name"],
    "from library._inner import name": ["_inner"],
    "import library._inner": ["_inner"],
    "connection._consumers.clear()": ["_consumers"],
    "self._shutdown.set()": ["_shutdown"],
    'getattr(listener, "_reader", None)': ["_reader"],
    "channel.outstanding_msgs": ["outstanding_msgs"],
    "from __future__ import annotations": [],
    "self._mine = 1\nother._mine": [],
    "class A:\n    _kind = 1\n\nA._kind": [],
    "def _mine(): ...\nself._mine()": [],
    "os._exit(1)": [],
}


@pytest.mark.parametrize("source", SAMPLES)
def test_the_search_finds(source: str) -> None:
    assert [name for _, name in _private(ast.parse(source))] == SAMPLES[source]


def _private(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names that a file uses and does not define, of a form that is private; and those of the table
    that look public and are not promised."""
    own = set(_defined(tree)) | {"_exit"}
    for node in ast.walk(tree):
        for name in _used(node):
            if _is_private(name) and name not in own:
                yield getattr(node, "lineno", 0), name


def _is_private(name: str) -> bool:
    return (name.startswith("_") and not name.endswith("__")) or name in UNPROMISED


def _used(node: ast.AST) -> Sequence[str]:
    match node:
        case ast.Attribute():
            return [node.attr]
        case ast.ImportFrom():
            return [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        case ast.Import():
            return [part for alias in node.names for part in alias.name.split(".")]
        case ast.Call(
            func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=str()), *_]
        ):
            name = node.args[1]
            assert isinstance(name, ast.Constant)
            return [str(name.value)]
    return []


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.Name(ctx=ast.Store()):
                yield node.id


#: undocumented, though they do not look so
UNPROMISED = frozenset(
    {
        "client_mode", "client_timeout", "enable_cancel_on_failover", "msg_id_cache", "orig_msg_id",
        "outstanding_msgs", "queue_arguments", "rabbit_quorum_queue_config", "reader_thread",
        "reply_q", "topic_send",
    }
)  # fmt: skip


def test_the_table_has_what_is_unpromised() -> None:
    kept = {
        name
        for looks in table.AGENT.values()
        for look in looks
        for name in (*getattr(look, "attributes", "").split(), look.place.rpartition(".")[2])  # type: ignore[attr-defined]
    }
    assert kept >= UNPROMISED


def _classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(vif_agent.__path__, "vif_agent."):
        if module.name.endswith("__main__"):
            continue
        try:
            imported = importlib.import_module(module.name)
        except ModuleNotFoundError:
            assert module.name.startswith("vif_agent.neutron.")  # in Neutron's environment alone
            continue
        for _, kind in inspect.getmembers(imported, inspect.isclass):
            if kind.__module__ == module.name:
                yield kind


def _is_a_librarys(kind: type) -> bool:
    return kind.__module__.partition(".")[0] not in {*sys.stdlib_module_names, "vif_agent"}


def test_agent_ends_with_one_line_where_a_library_has_changed(tmp_path: Path) -> None:
    """In a process of its own, whose oslo.messaging lacks a name that is used there."""
    (tmp_path / "vif-agent.conf").write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    program = (
        "from vif_agent.cmd import concurrency\n"
        "concurrency.native_threads()\n"
        "from oslo_messaging._drivers import common\n"
        "del common.PURPOSE_LISTEN\n"
        "from vif_agent.cmd.agent import main\n"
        f"main(['--config-file', {str(tmp_path / 'vif-agent.conf')!r}])\n"
    )
    ended = _run(program)
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert "Cannot start: oslo.messaging " in line
    assert "oslo_messaging._drivers.common:PURPOSE_LISTEN is missing; this vif-agent" in line
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("local", "says"),
    [
        (["--local"], "ovs.reconnect:Reconnect.disconnected is missing; this vif-agent is tested"),
        ([], "the bus (127.0.0.1:1) cannot be reached"),
    ],
)
def test_ctl_looks_before_it_uses_them(tmp_path: Path, local: list[str], says: str) -> None:
    """Who asks over the bus uses none, and so needs none to be as it was."""
    file = tmp_path / "vif-agent.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\ntransport_url = rabbit://127.0.0.1:1\n")
    program = (
        "from ovs.reconnect import Reconnect\n"
        "del Reconnect.disconnected\n"
        "from vif_agent.cmd.ctl.app import main\n"
        f"main(['--config-file', {str(file)!r}, *{local!r}, 'list'])\n"
    )
    ended = _run(program)
    (line,) = ended.stderr.splitlines()
    assert says in line
    assert (ended.stdout, ended.returncode) == ("", 2)


def _run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
