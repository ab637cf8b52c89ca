"""The picture of a host, from facts to text, dot and Mermaid."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.topology import scene
from vif_agent.errors import InvalidRequest
from vif_agent.topology import choosing, dot, folding, mermaid, text
from vif_agent.topology.boxes import draw
from vif_agent.topology.drawing_up import draw_up
from vif_agent.topology.facts import BridgeFacts, Glimpse, LinkFacts, OvsFacts, PortFacts
from vif_agent.topology.graph import FOLDED, OTHERS, Graph

HERE = Path(__file__).parent
WHOLE = scene.everything()
SHOWN = folding.without_idle(WHOLE)


def said(picture: Graph, style: text.Style | None = None) -> list[str]:
    return [*text.lines(picture, style or text.Style())]


def golden(name: str) -> list[str]:
    return (HERE / name).read_text().splitlines()


def test_one_of_everything_as_text() -> None:
    assert said(SHOWN) == golden("everything.txt")


def test_one_of_everything_in_plain_ascii() -> None:
    lines = said(SHOWN, text.PLAIN)
    assert lines == golden("everything.plain.txt")
    assert all(line.isascii() for line in lines)


def test_one_of_everything_as_mermaid_and_dot() -> None:
    assert [*mermaid.lines(draw(SHOWN))] == golden("everything.mmd")
    assert "\n".join(dot.lines(draw(SHOWN))).splitlines() == golden("everything.dot")


def test_colours_are_put_around_what_stands_without_them_too() -> None:
    coloured = said(SHOWN, text.Style(coloured=True))
    assert "\033[1;31m✗ 1 error\033[0m" in coloured[0]
    assert [re.sub(r"\033\[[0-9;]*m", "", line) for line in coloured] == said(SHOWN)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_facts_come_changes_nothing(seed: int) -> None:
    def shuffled(facts: tuple[object, ...]) -> tuple[object, ...]:
        return (*random.Random(seed).sample(facts, len(facts)),)

    seen = Glimpse(*map(shuffled, (scene.LINKS, scene.BRIDGES, scene.ROWS)))  # type: ignore[arg-type]
    ports: tuple[PortFacts, ...] = shuffled(scene.PORTS)  # type: ignore[assignment]
    again = draw_up("compute-1", seen, ports, scene.ORPHANS, scene.PHYSNETS)
    assert again.as_dict() == WHOLE.as_dict()
    assert said(folding.without_idle(again)) == said(SHOWN)


def test_a_picture_goes_over_the_bus_and_comes_back() -> None:
    sent = json.loads(json.dumps(SHOWN.as_dict()))
    sent["things"][0]["of_a_later_agent"] = sent["of_a_later_agent"] = 1
    assert said(Graph.from_dict(sent)) == said(SHOWN)


def test_of_a_port_its_own_things_and_the_way_out() -> None:
    hybrid = choosing.of_port(WHOLE, scene.uuid(scene.HYBRID))
    names = [scene.named(prefix, scene.HYBRID) for prefix in ("qbr", "qvb", "qvo", "tap")]
    out = ["br-ex", "br-int", "br-tun", "eth2", "int-br-ex", "patch-int", "patch-tun", "phy-br-ex"]
    assert sorted(hybrid.things) == sorted([*names, *out, "vxlan-0a000002"])
    assert hybrid.states == {"ready": 1}
    late = choosing.of_port(WHOLE, scene.uuid(scene.LATE))
    others = {"eth1", "eth1.103", "brq7151fa78-2a"}
    assert late.things.keys() == others | {scene.named("tap", scene.LATE)}
    assert sorted(choosing.of_port(WHOLE, scene.uuid(scene.VF)).things) == ["0000:81:00.2", "eth10"]


def test_a_nic_that_a_port_would_have_is_nobodys() -> None:
    """A port that failed names it among its devices."""
    port = dataclasses.replace(scene.PORTS[0], devices=("eth1", "mine"))
    links = (LinkFacts(name="eth1", kind="tun"), LinkFacts(name="mine", kind="tun"))
    things = draw_up("h", Glimpse(links), [port]).things
    assert (things["eth1"].port, things["mine"].port) == ("", port.port_id)


def test_of_a_bridge_whole_chains_and_the_way_out() -> None:
    linux = choosing.of_bridge(WHOLE, "brq7151fa78-2a")
    taps = {scene.named("tap", n) for n in (scene.BRIDGED, scene.LATE)}
    assert linux.things.keys() == {"eth1", "eth1.103", "brq7151fa78-2a", *taps}
    switch = choosing.of_bridge(WHOLE, "br-int")
    hybrids = {scene.named(prefix, scene.HYBRID) for prefix in ("qbr", "qvb", "qvo", "tap")}
    owns = {scene.PB, scene.named("tap", scene.OWN)}
    assert switch.things.keys() >= {"br-int", "br-ex", "vethX", *hybrids, *owns}
    assert not switch.things.keys() & {"eth1", *taps}
    with pytest.raises(InvalidRequest, match="bridge: expected the name of a bridge"):
        choosing.of_bridge(WHOLE, "br-nix")


def test_of_a_network() -> None:
    crowd = scene.crowd(6, networks=2)
    first = choosing.of_network(crowd, "net-0000")
    assert sorted(first.ports) == [scene.uuid(n) for n in (0, 2, 4)]
    assert {thing.port for thing in first.things.values()} == {"", *first.ports}
    with pytest.raises(InvalidRequest, match="network: expected the id"):
        choosing.of_network(crowd, "net-9")


def test_what_is_nobodys_of_ours_is_only_named() -> None:
    assert SHOWN.idle == ("docker0",)
    assert "docker0" not in SHOWN.things
    assert "docker0" in WHOLE.things


def test_many_others_in_a_bridge_are_one_line() -> None:
    more = tuple(OvsFacts(name=f"qr-{n}", bridge="br-int", ofport=n) for n in range(20, 200))
    seen = Glimpse(scene.LINKS, scene.BRIDGES, scene.ROWS + more)
    shown = folding.without_idle(draw_up("h", seen, scene.PORTS))
    lines = [line for line in said(shown) if "not ours" in line]
    assert lines == ["└─ 181 not ours: qr-100, qr-101, qr-102, qr-103, ..."]


def test_two_thousand_ports_are_readable() -> None:
    crowd = scene.crowd(2000, networks=60, wrong=25)
    picture = folding.by_network(folding.without_idle(crowd))
    lines = said(picture)
    assert lines[0] == "compute-1: 2000 ports  ✗ 25 error  ● 1975 ready"
    assert len(lines) < 100
    assert sum("✗ error conflict" in line for line in lines[1:]) == 25
    folds = [t for t in picture.things.values() if t.whose == FOLDED]
    assert len(folds) == 60
    assert sum(fold.facts["ports"] for fold in folds) == 1975
    assert len(json.dumps(picture.as_dict())) < 100_000
    assert folding.by_network(scene.crowd(folding.READABLE, 1)).states == {"ready": 40}


def test_a_thousand_wrong_ones_of_a_network_are_counted() -> None:
    picture = folding.by_network(scene.crowd(1000, networks=1, wrong=1000))
    (fold,) = (t for t in picture.things.values() if t.whose == FOLDED)
    assert fold.facts["states"] == {"error": 990}
    assert len(said(picture)) < 20


def test_without_open_vswitch_the_rest_is_drawn_and_that_is_said() -> None:
    seen = Glimpse(scene.LINKS, ovs_away="ovsdb: not connected")
    lines = said(folding.without_idle(draw_up("h", seen, scene.PORTS)))
    assert lines[1] == "Open vSwitch is not in the picture:  ✗ ovsdb: not connected"
    assert any("eth1.103" in line for line in lines)


_HOSTILE = 'a"]<b>\\N\\"#`{|&;--end\x1b[31m\n'


def _hostile() -> Graph:
    name = scene.LINKS[5]
    links = (*scene.LINKS, dataclasses.replace(name, name=_HOSTILE, owner="shared"))
    rows = (OvsFacts(name=_HOSTILE + "2", bridge="br-int", error=_HOSTILE),)
    ports = (dataclasses.replace(scene.PORTS[0], instance=_HOSTILE, code=_HOSTILE),)
    return draw_up(_HOSTILE, Glimpse(links, scene.BRIDGES, rows), ports)


def test_what_others_have_named_does_no_harm_in_a_terminal() -> None:
    assert all(line.isprintable() for line in said(_hostile()))


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_what_others_have_named_does_no_harm_to_dot() -> None:
    source = "\n".join(dot.lines(draw(_hostile())))
    done = subprocess.run(
        ["dot", "-Tdot_json"], input=source, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    labels = [thing.get("label", "") for thing in json.loads(done.stdout)["objects"]]
    escaped = 'a"]<b>\\\\N\\\\"#`{|&;--end\\\\x1b[31m\\\\n'
    assert any(label.startswith(escaped) for label in labels), labels
    assert len(labels) == len({*draw(_hostile()).boxes, *draw(_hostile()).frames}) + sum(
        len(frame.boxes) for frame in draw(_hostile()).frames
    )


def test_what_others_have_named_does_no_harm_to_mermaid() -> None:
    for line in mermaid.lines(draw(_hostile())):
        for quoted in re.findall(r'"(.*)"', line):
            left = re.sub(r"#\d+;|<br/>", "", quoted)
            assert not set(left) & set('"<>[]{}|&#`\\'), line


_NAMES = some.sampled_from(["a", "b", "c", "br", "tap00000001-00", "qvo00000001-00", "lo"])
_OWNERS = some.sampled_from([None, "shared", scene.uuid(1), scene.uuid(2)])
_KINDS = some.sampled_from(["", "tun", "veth", "bridge", "vlan", "vxlan", "bond", "macvtap"])
_links = some.lists(
    some.builds(
        LinkFacts, name=_NAMES, kind=_KINDS, master=_NAMES | some.just(""), below=_NAMES,
        owner=_OWNERS, held=some.none() | some.booleans(),
    ),
    unique_by=lambda link: link.name,
)  # fmt: skip
_bridges = some.lists(
    some.builds(BridgeFacts, name=_NAMES, owner=_OWNERS), unique_by=lambda bridge: bridge.name
)
_rows = some.lists(
    some.builds(
        OvsFacts, name=_NAMES, bridge=_NAMES, owner=_OWNERS,
        type=some.sampled_from(["", "patch", "vxlan", "internal"]),
        options=some.builds(lambda peer: {"peer": peer}, _NAMES),
    ),
    unique_by=lambda row: row.name,
)  # fmt: skip


@given(_links, _bridges, _rows)
def test_every_thing_is_drawn_once_whatever_the_host_has(
    links: list[LinkFacts], bridges: list[BridgeFacts], rows: list[OvsFacts]
) -> None:
    ports = [PortFacts(port_id=scene.uuid(1), state="ready", vfs={"0000:01:00.1": "a"})]
    picture = draw_up("h", Glimpse((*links,), (*bridges,), (*rows,)), ports)
    drawing = draw(picture)
    boxes = [*drawing.boxes, *(box for frame in drawing.frames for box in frame.boxes)]
    things = [box for box in boxes if not box.is_guest]
    assert len(things) + len(drawing.frames) == len(picture.things)
    assert len({box.id for box in boxes}) == len(boxes)
    pieces = [piece for line in said(picture)[1:] for piece in line.split(" ── ")]
    assert len(pieces) == len(picture.things)
    shown = folding.by_network(folding.without_idle(picture))
    assert {picture.things[name].whose for name in shown.idle} <= {OTHERS}
    for bridge in bridges:
        assert bridge.name in choosing.of_bridge(picture, bridge.name).things
