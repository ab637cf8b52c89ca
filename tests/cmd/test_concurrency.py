"""What an agent with native threads, and vif-agentctl, do not load: eventlet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.casting import GOOD, Site, Vif
from vif_agent.testing.host import ScratchHost

_PROGRAM = """
import sys
from vif_agent.cmd import concurrency

concurrency.native_threads()
import vif_agent.daemon.agent, vif_agent.helper.process

print(*{name.partition(".")[0] for name, module in sys.modules.items() if module})
"""

_CTL = """
import sys
from vif_agent.cmd.ctl.app import main

try:
    main(sys.argv[1:])
finally:
    print(*{name.partition(".")[0] for name, module in sys.modules.items() if module})
"""

#: before a line of the agent runs; it passes to its helper, and to what it starts with Python
_FORBID = """
import json, os, sys, traceback

def forbid(event, arguments):
    if event == "open" and "/site-packages/eventlet/" in str(arguments[0]):
        with open({told!r}, "a") as told:
            print(json.dumps([os.getpid(), *traceback.format_stack()[-12:]]), file=told)
        os._exit(70)

sys.addaudithook(forbid)
"""


def test_with_native_threads_nobody_imports_what_is_not_used() -> None:
    words = [sys.executable, "-c", _PROGRAM]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    imported = set(ran.stdout.split())
    assert imported >= {"vif_agent", "oslo_messaging", "futurist", "ovs", "oslo_privsep"}
    assert imported.isdisjoint({"eventlet", "greenlet", "dns", "hypothesis"})


@pytest.mark.parametrize("hosts", ["one", "one,two"])
def test_ctl_does_not_import_it_either(tmp_path: Path, hosts: str) -> None:
    """Where it asks several hosts its commands are others, which import more, and sooner."""
    file = tmp_path / "vif-agent.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\ntransport_url = rabbit://127.0.0.1:1\n")
    asked = ("--config-file", str(file), "--host", hosts, "--timeout", "1", "list")
    words = [sys.executable, "-W", "ignore", "-c", _CTL, *asked]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    assert "127.0.0.1:1" in ran.stdout + ran.stderr
    imported = set(ran.stdout.splitlines()[-1].split())
    assert "oslo_messaging" in imported
    assert imported.isdisjoint({"eventlet", "greenlet"})


@pytest.mark.broker
@pytest.mark.parametrize("concurrency", ["threading", "eventlet"])
def test_no_process_of_an_agent_with_native_threads_opens_a_file_of_eventlet(
    scratch_with_bus: ScratchHost, payload: Callable[[str], Vif], tmp_path: Path, concurrency: str
) -> None:
    """Neither the agent nor its helper, at whatever they do; nova 34 forbids the import, too."""
    told = tmp_path / "told"
    (tmp_path / "sitecustomize.py").write_text(_FORBID.format(told=str(told)))
    agent = str(Path(sys.executable).parent / "vif-agent")
    site = Site(scratch_with_bus, concurrency, argv=("env", f"PYTHONPATH={tmp_path}", agent))
    if concurrency == "eventlet":  # so it would be seen
        with pytest.raises(TimeoutError), site:
            pass
        assert json.loads(told.read_text().splitlines()[0])
        return
    with site:
        for name in GOOD:
            assert site.plug(payload(name))["state"] == "ready"
            assert site.unplug(payload(name))["state"] == "unplugged"
    assert not told.exists(), told.read_text()
