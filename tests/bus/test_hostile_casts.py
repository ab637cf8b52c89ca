"""Bad input over the bus: refused with the field's name, nothing touched, and the agent goes on."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import oslo_messaging
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.casting import CONTEXT, MODES, QUEUE, Notices, Site, Vif, nic, numbered, wait_for
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus import casts
from vif_agent.ports.port import PortRequest
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Change = tuple[tuple[str, ...], object]

#: the path in the VIF, and what is put there; "vif" + the path must stand in the error
BAD_FIELDS: list[Change] = [
    (("id",), None),
    (("id",), "not-a-uuid"),
    (("id",), 7),
    (("id",), ["7181b049-88fe-58c4-ad88-63316f977d48"]),
    (("type",), None),
    (("type",), ""),
    (("type",), 5),
    (("type",), "a b"),
    (("type",), "../ovs"),
    (("type",), "no_such_type"),
    (("address",), None),
    (("address",), "fa:16:3e"),
    (("address",), "ff:ff:ff:ff:ff:ff"),
    (("address",), "01:00:5e:00:00:01"),
    (("address",), "00:00:00:00:00:00"),
    (("address",), 0xFA163E),
    (("devname",), "../../etc"),
    (("devname",), "tap/1"),
    (("devname",), "tap 1"),
    (("devname",), "tap1\n"),
    (("devname",), "-tap"),
    (("devname",), "."),
    (("devname",), ".."),
    (("devname",), "sixteen-bytes-xx"),
    (("devname",), "täp"),
    (("devname",), {"name": "tap1"}),
    (("vnic_type",), ["direct"]),
    (("network",), "net"),
    (("network", "id"), "net"),
    (("network", "bridge"), "br int"),
    (("network", "bridge"), "a-bridge-name-over-15"),
    (("details", "bridge_name"), "br int"),
    (("details", "bridge_name"), "a-bridge-name-over-15"),
    (("network", "meta"), []),
    (("network", "meta", "mtu"), 67),
    (("network", "meta", "mtu"), 65536),
    (("network", "meta", "mtu"), "large"),
    (("network", "meta", "mtu"), True),
    (("network", "meta", "mtu"), 1500.5),
    (("network", "meta", "vlan"), 4095),
    (("network", "meta", "vlan"), -1),
    (("network", "meta", "vlan"), "12a"),
    (("network", "meta", "should_create_bridge"), "perhaps"),
    (("details",), "none"),
    (("details", "bridge_name"), "br/int"),
    (("details", "datapath_type"), "magic"),
    (("details", "ovs_hybrid_plug"), 2),
    (("details", "vlan"), 5000),
    (("details", "bound_drivers"), ["ovs"]),
    (("details", "bound_drivers"), {"0": 1}),
    (("profile",), 5),
]
#: messages that are no good cast as a whole: message, and what the error must name
BAD_MESSAGES: dict[str, tuple[object, str]] = {
    "unknown method": ({"method": "reboot", "args": {}}, "method"),
    "private method": ({"method": "_put", "args": {}}, "method"),
    "method of a wrong type": ({"method": 5, "args": {}}, "method"),
    "no method": ({"args": {}}, "method"),
    "version": ({"method": "plug_vif", "version": "2.0", "args": {}}, "version"),
    "version of a wrong type": ({"method": "plug_vif", "version": 1, "args": {}}, "version"),
    "namespace": ({"method": "plug_vif", "namespace": "x", "args": {}}, "namespace"),
    "no args": ({"method": "plug_vif"}, "args"),
    "args of a wrong type": ({"method": "plug_vif", "args": [1, 2]}, "args"),
    "no vif": ({"method": "plug_vif", "args": {"instance": INSTANCE}}, "vif"),
    "vif of a wrong type": ({"method": "plug_vif", "args": {"vif": "v"}}, "vif"),
    "nothing": ({}, "method"),
}
#: bodies that are no message of oslo.messaging at all: body, content type
GARBAGE: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "application/json"),
    "bytes": (b"\xff\x00\xfe", "application/octet-stream"),
    "empty": (b"", "application/json"),
    "no envelope": (b'{"hello": "world"}', "application/json"),
    "a list": (b"[1, 2]", "application/json"),
    "null": (b"null", "application/json"),
    "a message that is a list": (
        json.dumps({"oslo.version": "2.0", "oslo.message": "[]"}).encode(),
        "application/json",
    ),
    "a broken message": (
        json.dumps({"oslo.version": "2.0", "oslo.message": "{"}).encode(),
        "application/json",
    ),
    "unknown envelope": (
        json.dumps({"oslo.version": "9.0", "oslo.message": "{}"}).encode(),
        "application/json",
    ),
    "pickle": (b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
    "unknown content type": (b"{}", "application/x-nonsense"),
}


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


@pytest.fixture(scope="module")
def notices(site: Site) -> Iterator[Notices]:
    with Notices(site.rabbit.url) as listening:
        yield listening


def test_bad_fields_are_named(
    site: Site, notices: Notices, payload: Callable[[str], Vif], unharmed: None
) -> None:
    for number, (path, value) in enumerate(BAD_FIELDS, start=1):
        vif = _changed(numbered(payload("ovs_hybrid"), 4100 + number), path, value)
        site.cast("plug_vif", instance=INSTANCE, vif=vif, generation=number)
        level, event, reported = notices.next(lambda p, n=number: p["generation"] == n)  # type: ignore[misc]
        assert (level, event) == ("error", "vif.plug.error"), (path, value)
        assert ".".join(("vif", *path)) in reported["error"]["message"], (path, value)
    site.unplug_all()


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_bad_message_is_refused(site: Site, notices: Notices, unharmed: None, what: str) -> None:
    message, field = BAD_MESSAGES[what]
    envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(message)}
    _publish(site, json.dumps(envelope).encode(), "application/json")
    _, event, reported = notices.next(lambda p: p["port_id"] is None)
    assert event == "vif.plug.error"
    assert reported["error"]["code"] == "invalid_request"
    assert reported["error"]["message"].startswith(field)


def test_message_that_comes_twice_is_acknowledged_twice(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    """A broker that dies between an acknowledgement and the disk delivers once more."""
    vif = numbered(payload("tap"), 4200)
    arguments = {"instance": INSTANCE, "vif": vif}
    message = {"method": "plug_vif", "args": arguments, "_unique_id": "b3f0", "_context_x": "y"}
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()
    for _ in range(2):
        _publish(site, body, "application/json")
        wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
        wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue")
    site.unplug(vif)


BAD_CALLS: list[tuple[str, dict[str, object], str]] = [
    ("repair", {"port_id": 2**70}, "port_id"),
    ("repair", {"port_id": "\ud800"}, "port_id"),
    ("wait_vif", {"port_id": "x", "timeout": 5}, "port_id"),
    ("wait_vif", {"port_id": INSTANCE["uuid"], "timeout": math.nan}, "timeout"),
    ("wait_vif", {"port_id": INSTANCE["uuid"], "timeout": math.inf}, "timeout"),
    ("get_status", {"verbose": 1}, "args"),
    ("reboot", {}, "method"),
    ("x" * 100_000, {}, "method"),
]


def test_bad_calls_are_told_to_the_caller_and_the_agent_goes_on(site: Site, unharmed: None) -> None:
    target = oslo_messaging.Target(
        exchange=bus.EXCHANGE, topic=bus.ADMIN_TOPIC, server=HOST, version=bus.VERSION
    )
    client = oslo_messaging.get_rpc_client(site.transport, target).prepare(timeout=60)
    logged = len(site.daemon.log())
    for method, arguments, field in BAD_CALLS:
        with pytest.raises(oslo_messaging.RemoteError) as refused:
            client.call(CONTEXT, method, **arguments)
        assert str(refused.value.value).startswith(f"{field}: expected "), method[:20]
    assert "Traceback" not in site.daemon.log()[logged:]


def test_bad_list_is_one_line_of_the_log(site: Site, notices: Notices, unharmed: None) -> None:
    logged = len(site.daemon.log())
    for number in (9_998, 9_999, 10_000):  # the same words would be held back
        site.cast("sync_vifs", vifs=[{}] * number, complete=True)
        _, event, reported = notices.next(lambda p: p["port_id"] is None)
        assert event == "vif.sync.error"
        assert f"{number} of {number} VIFs are refused" in reported["error"]["message"]
    lines = site.daemon.log()[logged:].splitlines()
    assert sum("refused" in line for line in lines) == 3
    assert len(lines) < 20


def test_port_of_an_upper_case_id_is_waited_for(site: Site, payload: Callable[[str], Vif]) -> None:
    vif = numbered(payload("ovs_create_tap"), 0xABCD)
    upper = {**vif, "id": vif["id"].upper()}
    assert site.plug(upper)["port_id"] == vif["id"]
    assert site.unplug(upper)["state"] == "unplugged"


def test_each_of_two_refused_casts_is_told_to_who_waits_for_it(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vif = {**numbered(payload("ovs"), 4300), "devname": "a/b"}
    for generation in (1, 2):
        site.plug(vif, wait=None, generation=generation)
    wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue")
    for generation in (2, 1):
        view = wait_for(lambda g=generation: _refused_as(site, vif, g), "the refusal")  # type: ignore[misc]
        assert view
        assert view["generation"] == generation


def _refused_as(site: Site, vif: Vif, generation: int) -> dict[str, Any] | None:
    view = site.api.wait_vif(CONTEXT, HOST, vif["id"], generation, 5)
    return view if view["state"] == "refused" else None


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_dropped(site: Site, unharmed: None, what: str) -> None:
    _publish(site, *GARBAGE[what])


@pytest.mark.parametrize(
    ("name", "path"), [("ovs_create_tap", "devname"), ("tap", "devname"), ("bridge", "bridge")]
)
def test_machines_own_interface_is_left_alone(
    site: Site, notices: Notices, payload: Callable[[str], Vif], name: str, path: str
) -> None:
    vif = payload(name)
    (vif if path == "devname" else vif["network"])[path] = "lan"
    with nic("lan"):
        before = site.host.links()["lan"]
        site.plug(vif, wait=None, generation=1)
        _, event, reported = notices.next(lambda p: p["port_id"] == vif["id"])
        assert event == "vif.plug.error"
        assert reported["error"]["code"] == "conflict"
        assert "lan exists, is a veth and is not ours" in reported["error"]["message"]
        assert site.unplug(vif)["state"] == "unplugged"
        after = site.host.links()["lan"]
        assert {k: after.get(k) for k in STABLE} == {k: before.get(k) for k in STABLE}
        assert "lan" not in site.ovs_ports()


STABLE = ("ifindex", "address", "mtu", "master", "ifalias", "promiscuity", "group")
HOSTILE = 10_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
PLACES = sorted({path for path, _ in BAD_FIELDS} - {("id",)})


def test_ten_thousand_hostile_payloads(
    site: Site, payload: Callable[[str], Vif], unharmed: None
) -> None:
    """Each value in each place; what happens to be valid there is not sent."""
    sent, logged = 0, len(site.daemon.log())

    @settings(
        max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(JSON, min_size=1, max_size=10))
    def cast(values: list[object]) -> None:
        nonlocal sent
        for path in PLACES:
            for value in values:
                vif = _changed(numbered(payload("ovs_hybrid"), 5000 + sent), path, value)
                if sent < HOSTILE and _refused(vif):
                    site.cast("plug_vif", instance=INSTANCE, vif=vif)
                    sent += 1

    while sent < HOSTILE:
        cast()
    wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue", 120)
    wait_for(lambda: site.daemon.log()[logged:].count("refused port=") >= sent, "refusals", 120)
    assert "Traceback" not in site.daemon.log()[logged:]
    assert site.api.list_vifs(CONTEXT, HOST) == []


def _refused(vif: Vif) -> bool:
    message = {"method": "plug_vif", "args": {"instance": INSTANCE, "vif": vif}}
    return not isinstance(casts.read(CONTEXT, message), PortRequest)


@pytest.fixture
def unharmed(site: Site, payload: Callable[[str], Vif]) -> Iterator[None]:
    """Nothing on the host changes while the test runs, and a good plug works after it."""
    before = _host(site)
    with site.watch() as watch:
        watch.settle()
        yield
        wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue")
        assert watch.events() == []
    assert _host(site) == before
    assert site.daemon.alive()
    vif = numbered(payload("ovs_hybrid"), 4000)
    assert site.plug(vif)["state"] == "ready"
    site.unplug(vif)


def _host(site: Site) -> tuple[set[str], str, int]:
    return set(site.host.links()), site.host.ovs.vsctl("show"), site.ovs_rows("QoS")


def _changed(vif: Vif, path: tuple[str, ...], value: object) -> Vif:
    vif = copy.deepcopy(vif)
    node: Any = vif
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return vif


def _publish(site: Site, body: bytes, content_type: str) -> None:
    """Past oslo.messaging, straight into the agent's queue."""
    url = site.rabbit.url.replace("rabbit://", "amqp://")
    with kombu.Connection(url) as connection:  # type: ignore[no-untyped-call]
        connection.Producer().publish(
            body,
            routing_key=QUEUE,
            content_type=content_type,
            content_encoding="utf-8" if content_type == "application/json" else "binary",
        )
