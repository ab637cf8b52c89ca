"""The unit in a real systemd: how the agent is started, watched, reloaded and ended by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.service.compute import UNIT, Compute

PORTS = ("ovs_hybrid", "ovs_create_tap", "bridge", "tap")
KILL = f"systemctl kill --signal=KILL --kill-whom=main {UNIT}"
WRONG = (
    "[cleanup]\nmax_per_round = many\n",
    "no section\n",
    "[DEFAULT]\ndebug = perhaps\n",
)  # of an option, of the file, of an option that is also on the command line


@contextmanager
def broker_away(compute: Compute) -> Iterator[None]:
    compute.run("systemctl stop rabbitmq-server")
    try:
        yield
    finally:
        compute.run("systemctl start rabbitmq-server", timeout=300)


@contextmanager
def frozen(compute: Compute, pid: int) -> Iterator[None]:
    compute.run(f"kill -STOP {pid}")
    try:
        yield
    finally:
        compute.run(f"kill -CONT {pid} || true")


def kept(compute: Compute) -> dict[str, tuple[int, str]]:
    """What a guest would notice the loss of: each device's index, and its bridge."""
    return {
        name: (link["ifindex"], link.get("master", "")) for name, link in compute.links().items()
    }


def test_start_without_a_broker_may_last_for_longer_than_its_limit(compute: Compute) -> None:
    """The first turn of its loop comes before that, and asks for more."""
    with compute.drop_in("TimeoutStartSec=20"):
        with broker_away(compute):
            before = compute.pid()
            compute.run(KILL)
            compute.wait(lambda: compute.pid() not in (0, before), "start")
            pid = compute.pid()
            time.sleep(35)
            assert (compute.shown("ActiveState"), compute.pid()) == ("activating", pid)
        compute.wait_active()
        assert compute.pid() == pid


def test_start_that_hangs_is_ended_and_tried_again(compute: Compute) -> None:
    heard = compute.hear()
    with compute.drop_in("TimeoutStartSec=20", "RestartSec=100ms"):
        compute.run(f"{KILL}; sleep 0.3")
        pid = compute.pid()
        compute.run(f"kill -STOP {pid}")  # while Python begins
        compute.wait_another(pid)
    assert "start operation timed out. Aborting." in heard()


def test_crashes_while_the_broker_is_away_are_never_too_many(compute: Compute) -> None:
    with compute.drop_in("RestartSec=100ms"), broker_away(compute):
        for _ in range(12):
            compute.wait(lambda: compute.pid() != 0, "process")
            compute.run(KILL)
        compute.wait(lambda: compute.shown("SubState") == "start", "start")
        assert int(compute.shown("NRestarts")) >= 10


def test_agent_that_hangs_is_started_anew_and_says_where_it_hung(compute: Compute) -> None:
    """systemd has one that is stopped go on, to meet its end."""
    heard = compute.hear()
    with compute.drop_in("WatchdogSec=20"):
        before = compute.pid()
        compute.run(f"kill -STOP {before}")
        compute.wait_another(before)
    assert "Watchdog timeout (limit 20s)!" in heard()
    hung = heard().partition("Fatal Python error: Aborted")[2].partition("Scheduled restart")[0]
    assert "vif_agent/daemon/agent.py" in hung


def test_agent_that_is_busy_goes_on(compute: Compute) -> None:
    """What it waits for, the helper, has a limit of its own."""
    heard = compute.hear()
    with compute.drop_in("WatchdogSec=20"):
        before = compute.pid()
        with frozen(compute, compute.helper()):
            compute.cast("plug_vif", "bridge", wait=0)
            time.sleep(45)
        compute.unplug("bridge")
        assert compute.pid() == before
    assert "Watchdog timeout" not in heard()


def test_helper_that_hangs_is_ended_and_both_are_started_anew(compute: Compute) -> None:
    heard = compute.hear()
    with compute.drop_in(more={"vif_agent": {"helper_timeout": 5}}):
        before = compute.pid()
        compute.run(f"kill -STOP {compute.helper()}")
        compute.cast("plug_vif", "bridge", wait=0)
        compute.wait_another(before)
        compute.plug("bridge")
        compute.unplug("bridge")
    assert "The privileged helper has not answered for 5 s" in heard()


def test_reload_ends_nothing_whatever_the_file_has(compute: Compute) -> None:
    heard, before = compute.hear(), compute.pid()
    compute.configure({"cleanup": {"max_per_round": 7}})
    compute.run(f"systemctl reload {UNIT}")
    assert "Option cleanup.max_per_round changed" in heard(), "it has waited for that"
    for wrong in WRONG:
        compute.configure(text=wrong)
        compute.run(f"systemctl reload {UNIT}")
    assert heard().count("SIGHUP: all stays as it was: ") == len(WRONG)
    compute.configure()
    compute.run(f"systemctl reload {UNIT}")
    assert (compute.pid(), compute.shown("ActiveState")) == (before, "active")


def test_hang_up_at_any_moment_of_a_start_leaves_an_agent(compute: Compute) -> None:
    """Before Python has come to our first line it ends the process, which systemd takes for a clean
    end."""
    with compute.drop_in("RestartSec=100ms"):
        before = compute.pid()
        hang_up = f"systemctl kill --signal=HUP {UNIT}"
        compute.run(f"{KILL}; for i in $(seq 60); do {hang_up} || true; sleep 0.02; done")
        compute.wait_another(before)
        assert int(compute.shown("NRestarts")) > 1, "none came so early"


def test_restart_and_kill_change_nothing_of_what_is_plugged(compute: Compute) -> None:
    compute.plug(*PORTS)
    before = kept(compute)
    for end in (f"systemctl restart {UNIT}", KILL):
        pid = compute.pid()
        compute.run(end)
        compute.wait_another(pid)
        assert kept(compute) == before
    compute.unplug(*PORTS)
    assert kept(compute).keys() == before.keys() - {
        name for name in before if name.startswith(("tap", "qbr", "qvb", "qvo", "brq"))
    }


def test_guards_outlast_the_agent(compute: Compute) -> None:
    """Without systemd keeping anything for them."""
    # but who holds it, and what was counted
    table = "nft --stateless list table bridge vif_agent | grep -vE '^table|flags'"
    with compute.drop_in(more={"firewall": {"driver": "nftables"}}):
        compute.plug("bridge")
        before = compute.run(table)
        assert "tapcb0042fb-c1" in before
        compute.run(f"systemctl stop {UNIT}")
        assert compute.run(table) == before
        compute.run(f"systemctl start {UNIT}")
        assert compute.run(table) == before
        compute.unplug("bridge")
