"""A broker that takes no transient queues: the default of RabbitMQ 4.3, an option from 4.0 on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, MODES, Options, Vif, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import ctl
from vif_agent.testing import rabbit
from vif_agent.testing.daemon import HOST, Daemon, sender
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

REFUSES = rabbit.version() >= (4, 0)
SETTINGS = {"deprecated_features.permit.transient_nonexcl_queues": "false"} if REFUSES else {}
NEEDED = {"amqp_durable_queues": "true", "rabbit_transient_quorum_queue": "true"}
QUERY = "?" + "&".join(f"{option}={value}" for option, value in NEEDED.items())
NAMED = "rabbit_transient_quorum_queue = true"


@pytest.fixture
def broker(isolated: None, tmp_path: Path) -> Iterator[PrivateRabbit]:
    with PrivateRabbit(tmp_path, settings=SETTINGS) as strict:
        yield strict


@pytest.fixture(params=MODES)
def agent(
    request: pytest.FixtureRequest, scratch: ScratchHost, broker: PrivateRabbit
) -> Callable[..., Daemon]:
    def configured(**rabbit_options: str) -> Daemon:
        options: Options = {
            "vif_agent": {"concurrency": request.param},
            "oslo_messaging_rabbit": rabbit_options,
        }
        daemon = Daemon(scratch, broker.url, options)
        daemon.log_file.unlink(missing_ok=True)
        return daemon

    return configured


def test_options_that_such_a_broker_needs(
    agent: Callable[..., Daemon], broker: PrivateRabbit, payload: Callable[[str], Vif]
) -> None:
    vif = payload("tap")
    with agent(**NEEDED) as daemon:
        api = sender(broker.url + QUERY)
        plugged = api.plug_vif(CONTEXT, HOST, INSTANCE, vif, wait=60)
        assert plugged
        assert plugged["state"] == "ready"
        assert ctl(daemon.config_file, "list", "-f", "json").json()[0]["state"] == "ready"
        api.unplug_vif(CONTEXT, HOST, INSTANCE, vif, wait=60)
        assert "transient" not in daemon.log()


@pytest.mark.skipif(not REFUSES, reason="RabbitMQ refuses transient queues from 4.0 on only")
def test_each_error_names_the_options(
    agent: Callable[..., Daemon],
) -> None:
    """The agent waits and says it once; vif-agentctl says it, too, and does without the bus.

    A sender hears only that there is no answer: oslo.messaging tells nobody but its log.
    """
    daemon = agent()
    daemon.launch()
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.stop)
        wait_for(lambda: "Cannot join the bus yet" in daemon.log(), "the word of it")
        (line,) = [one for one in daemon.log().splitlines() if "Cannot join" in one]
        assert NAMED in line
        assert daemon.alive()
        _is_told_to_operators(daemon.config_file)


def _is_told_to_operators(config: Path) -> None:
    answer = ctl(config, "list", "-f", "json")
    assert NAMED in answer.err
    assert json.loads(answer.out) == []
