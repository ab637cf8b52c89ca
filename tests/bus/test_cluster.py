"""A cluster of brokers with a node away: who starts joins as who runs rejoins, in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, MODES, Options, Vif, wait_for
from tests.support.examples import INSTANCE
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import HOST, Daemon, transport
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

Payload = Callable[[str], Vif]
pytestmark = pytest.mark.broker


class Cluster:
    """Durable queues of a classic kind are on one node; ``away`` is the one that is killed."""

    def __init__(self, directory: Path) -> None:
        for name in ("stays", "away"):
            (directory / name).mkdir()
        self.stays = PrivateRabbit(directory / "stays")
        self.away = PrivateRabbit(directory / "away", beside=self.stays)
        self.both = f"rabbit://{self._address(self.stays)},{self._address(self.away)}/"

    @staticmethod
    def _address(node: PrivateRabbit) -> str:
        return f"guest:guest@127.0.0.1:{node.port}"

    def states(self) -> dict[str, str]:
        answer = self.stays.ctl("-q", "--no-table-headers", "list_queues", "name", "state")
        return dict(line.split("\t") for line in answer.splitlines())

    def whole(self) -> None:
        if self.away.broker is None:
            self.away.start()
        wait_for(lambda: "down" not in self.states().values(), "all queues")

    def forget(self) -> None:
        for name in self.states():
            self.stays.ctl("delete_queue", name)


@pytest.fixture(scope="module")
def nodes(isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    with cluster.stays, cluster.away:
        cluster.away.join()
        yield cluster


@pytest.fixture
def cluster(nodes: Cluster) -> Iterator[Cluster]:
    nodes.whole()
    yield nodes
    nodes.whole()
    nodes.forget()


@pytest.fixture(params=MODES)
def agent(request: pytest.FixtureRequest, scratch: ScratchHost) -> Callable[..., Daemon]:
    def configured(url: str, host: str = HOST) -> Daemon:
        options: Options = {
            "DEFAULT": {"host": host},
            "vif_agent": {"concurrency": request.param},
            "oslo_messaging_rabbit": {"amqp_durable_queues": "true"},
        }
        return Daemon(scratch, url, options)

    return configured


@pytest.fixture
def api(nodes: Cluster) -> Iterator[VifAgentAPI]:
    """Of a sender that has durable queues, too."""
    made = transport(f"{nodes.stays.url}?amqp_durable_queues=true")
    yield VifAgentAPI(transport=made)
    made.cleanup()


def states(api: VifAgentAPI, vif: Vif) -> list[str]:
    """Of a port that is plugged and unplugged."""
    views = [does(CONTEXT, HOST, INSTANCE, vif, wait=60) for does in (api.plug_vif, api.unplug_vif)]
    return [view["state"] for view in views if view]


def test_agent_starts_while_the_node_of_others_is_away(
    cluster: Cluster, agent: Callable[..., Daemon], api: VifAgentAPI, payload: Payload
) -> None:
    with agent(cluster.away.url, "other"):
        pass
    cluster.away.kill()
    with agent(cluster.both):
        assert cluster.states().get("vif_agent.other", "down") == "down"  # 4.0 names it no more
        assert states(api, payload("tap")) == ["ready", "unplugged"]


def test_agent_whose_own_queue_is_away_waits_for_it_and_says_so_once(
    cluster: Cluster, agent: Callable[..., Daemon], api: VifAgentAPI, payload: Payload
) -> None:
    """What was cast before is still in it."""
    with agent(cluster.away.url):
        pass
    vif = payload("tap")
    api.plug_vif(CONTEXT, HOST, INSTANCE, vif)
    cluster.away.kill()
    waiting = agent(cluster.both)
    waiting.log_file.unlink()
    waiting.launch()
    try:
        wait_for(lambda: "Cannot join the bus yet" in waiting.log(), "the word of it")
        assert waiting.alive()
        cluster.away.start()
        waiting.wait_for_notice("READY=1", 60)
        wait_for(lambda: " plugged " in waiting.log(), "the port that was cast before")
        assert states(api, vif) == ["ready", "unplugged"]
        log = waiting.log()
        assert log.count("Cannot join the bus yet") == 1
        assert sum("NOT_FOUND" in line for line in log.splitlines()) <= 5
        assert "Traceback" not in log
    finally:
        waiting.stop()
