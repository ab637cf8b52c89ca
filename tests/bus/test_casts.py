"""Casts as they come in: good, refused, and 10,000 hostile ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.real_host import ANY, network_types
from vif_agent.bus import casts
from vif_agent.bus.casts import Refusal, Sync
from vif_agent.errors import VifAgentError
from vif_agent.pci_names import resolved
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.agilio_ovs import AgilioOvsPlugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.plugins.macvtap import MacvtapPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.plugins.refused import BindingFailedPlugin, UnboundPlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.plugins.vhostuser import VhostUserPlugin
from vif_agent.ports.port import PLUG, UNPLUG, PortRequest
from vif_agent.ports.store import Store
from vif_agent.resources import Command, Vf
from vif_agent.vif import DEVICE_NAME, parse

Payload = Callable[[str], dict[str, Any]]

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 15).map(lambda n: 10.0**n)
)  # fmt: skip

PLUGINS = [
    PluginRegistry(
        {
            "ovs": OvsPlugin(create_tap=create_tap, isolate=isolate),
            "bridge": BridgePlugin(create_tap == "always", network_types()),
            "tap": TapPlugin(),
            "vhostuser": VhostUserPlugin(isolate=isolate),
            "hw_veb": HwVebPlugin(nic_agent=create_tap == "auto"),
            "macvtap": MacvtapPlugin(ANY),
            "agilio_ovs": AgilioOvsPlugin(create_tap=create_tap, isolate=isolate),
            "binding_failed": BindingFailedPlugin(),
            "unbound": UnboundPlugin(),
        }
    )
    for create_tap, isolate in (("auto", "auto"), ("always", "always"))
]
CASTS = [
    {"method": method, "args": {"instance": INSTANCE, "vif": json.loads(path.read_text())}}
    for path in sorted(PAYLOADS.glob("*.json"))
    for method in ("plug_vif", "unplug_vif")
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store") / "store.sqlite")
    yield store
    store.close()


def _plug(vif: object, **more: object) -> dict[str, Any]:
    return {"method": "plug_vif", "args": {"instance": INSTANCE, "vif": vif}, **more}


def test_read_of_a_plug_is_a_request(payload: Payload) -> None:
    vif = payload("ovs")
    message = {"method": "plug_vif", "args": {"instance": INSTANCE, "vif": vif, "generation": 7}}
    request = casts.read({"request_id": "req-1"}, message, "m1")
    assert isinstance(request, PortRequest)
    assert (request.port_id, request.verb, request.vif_type, request.generation) == (
        vif["id"],
        PLUG,
        "ovs",
        7,
    )
    assert (request.instance, request.vif) == (INSTANCE, vif)
    assert (request.request_id, request.message_id) == ("req-1", "m1")


def test_read_of_an_unplug_takes_the_ports_id_alone() -> None:
    port = "7181b049-88fe-58c4-ad88-63316f977d48"
    request = casts.read({}, {"method": "unplug_vif", "args": {"vif": {"id": port}}})
    assert isinstance(request, PortRequest)
    assert (request.port_id, request.verb, request.vif_type) == (port, UNPLUG, "")


def test_read_prefers_the_global_request_id(payload: Payload) -> None:
    context = {"global_request_id": "req-global", "request_id": "req-local"}
    request = casts.read(context, _plug(payload("ovs")))
    assert isinstance(request, PortRequest)
    assert request.request_id == "req-global"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (None, "message"),
        ([], "message"),
        ({}, "method"),
        ({"method": "reboot", "args": {}}, "method"),
        ({"method": ["plug_vif"], "args": {}}, "method"),
        ({"method": "plug_vif"}, "args"),
        ({"method": "plug_vif", "args": []}, "args"),
        ({"method": "plug_vif", "args": {}}, "vif"),
        ({"method": "unplug_vif", "args": {}}, "vif"),
        ({"method": "plug_vif", "args": {}, "version": "2.0"}, "version"),
        ({"method": "plug_vif", "args": {}, "version": 1}, "version"),
        ({"method": "plug_vif", "args": {}, "namespace": "x"}, "namespace"),
    ],
)
def test_read_of_what_is_no_cast_is_a_refusal_that_names_the_field(
    message: object, field: str
) -> None:
    refusal = casts.read({}, message)
    assert isinstance(refusal, Refusal)
    assert str(refusal.error).startswith(f"{field}: expected ")


@pytest.mark.parametrize("generation", [-1, 1 << 63, True, "7", 1.5, []])
def test_read_of_a_bad_generation_is_a_refusal_of_this_port(
    payload: Payload, generation: object
) -> None:
    vif = payload("ovs")
    args = {"instance": INSTANCE, "vif": vif, "generation": generation}
    refusal = casts.read({}, {"method": "plug_vif", "args": args})
    assert isinstance(refusal, Refusal)
    assert str(refusal.error).startswith("generation: expected ")
    assert (refusal.port_id, refusal.generation, refusal.vif_type) == (vif["id"], None, "ovs")
    assert refusal.instance_uuid == INSTANCE["uuid"]


def test_read_of_any_minor_version_is_a_request(payload: Payload) -> None:
    assert isinstance(casts.read({}, _plug(payload("ovs"), version="1.9")), PortRequest)


@pytest.mark.parametrize("field", ["instance", "vif"])
def test_read_of_a_huge_cast_is_a_refusal(payload: Payload, field: str) -> None:
    args = {"instance": dict(INSTANCE), "vif": payload("ovs")}
    args[field]["more"] = "x" * (1 << 20)
    refusal = casts.read({}, {"method": "plug_vif", "args": args})
    assert isinstance(refusal, Refusal)
    assert str(refusal.error).startswith(f"{field}: expected at most ")


def test_read_of_a_bottomless_cast_is_a_refusal(payload: Payload) -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for vif in (deep, {**payload("ovs"), "more": deep}, {**payload("ovs"), "id": deep}):
        assert isinstance(casts.read({}, _plug(vif)), Refusal)


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([1 << 63, -(1 << 63) - 1, 1 << 64, 10**40, 4095, 65536])
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud800", "\x00", "a\nb", "x" * 5000, "..", "a/b", "true", "1500", "é"])
    | st.sampled_from(["ovs", "bridge", "tap", "brq", "tbr-1", "netdev", "br.int-0_x"])
)
HOSTILE = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a cast but its address lists, which nothing here reads."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = [(k, v) for k, v in value.items() if k != "subnets"]
    for key, inner in items:
        yield from _places(inner, (*path, key))


PLACES = [list(_places(cast)) for cast in CASTS]


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with ``new`` at the place, if the place is (still) there."""
    if not path:
        return new
    if not isinstance(value, dict):
        return value
    return {**value, path[0]: _put(value.get(path[0]), path[1:], new)}


@st.composite
def hostile_casts(draw: st.DrawFn) -> Any:
    number = draw(st.integers(0, len(CASTS) - 1))
    message: Any = CASTS[number]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(PLACES[number]))
        extra = draw(st.sampled_from([(), (), ("generation",), ("more",)]))
        message = _put(message, place + extra, draw(HOSTILE))
    return message


@settings(
    max_examples=10_000,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(message=hostile_casts(), context=HOSTILE)
def test_hostile_cast_is_refused_or_stored_and_answered(
    store: Store, message: Any, context: Any
) -> None:
    item = casts.read(context, message)
    if isinstance(item, Refusal):
        assert isinstance(str(item.error), str)
        return
    if isinstance(item, Sync):
        store.put([item.deleting()])
        return
    store.put([item])
    if item.verb == PLUG:
        stored = store.ports([item.port_id])[item.port_id]
        for plugins in PLUGINS:
            _check_answer(plugins, stored.instance, stored.vif)


def _check_answer(plugins: PluginRegistry, instance: object, vif: object) -> None:
    try:
        parsed = parse(instance, vif)
        resources = plugins.resources(parsed)
    except VifAgentError:
        return
    others_plug = parsed.vif_type == "vhostuser" or parsed.vnic_type == "remote-managed"
    assert resources or others_plug
    for resource in (resolved(resource, lambda what, _: "there") for resource in resources):
        assert DEVICE_NAME.match(resource.name) or isinstance(resource, Vf | Command)
        for field in ("master", "parent", "peer", "bridge"):
            assert DEVICE_NAME.match(getattr(resource, field, None) or "x")


@given(st.recursive(SCALARS, lambda deeper: st.lists(deeper) | st.dictionaries(st.text(), deeper)))
def test_no_value_is_more_than_six_times_what_it_is_on_the_wire(value: Any) -> None:
    """So a message that is short enough need not be written once more to be measured."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    shortest = re.sub(r"(\d)00(0+)\.0", lambda m: f"{m[1]}e{2 + len(m[2])}", text)
    assert len(json.dumps(json.loads(shortest))) <= 6 * len(shortest.encode())


def test_size_is_that_of_the_parts_where_the_message_is_long(payload: Payload) -> None:
    vif = payload("ovs")
    vif["details"]["more"] = "x" * (1 << 16)
    for size in (None, 70_000):
        refusal = casts.read({}, _plug(vif), size=size)
        assert isinstance(refusal, Refusal)
        assert "at most 65536 characters" in str(refusal.error)
    instance = {"uuid": INSTANCE["uuid"], "more": "x" * 40_000}
    vif["details"]["more"] = "x" * 40_000
    message = {"method": "plug_vif", "args": {"instance": instance, "vif": vif}}
    assert isinstance(casts.read({}, message, size=81_000), PortRequest)
