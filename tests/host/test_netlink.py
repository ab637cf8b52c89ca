"""rtnetlink against the real kernel: each request has its own answer, however many there are."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.real_host import ip, links
from vif_agent.host.netlink import decode, iflink
from vif_agent.host.netlink.rtnetlink import (
    DELETE,
    GET,
    NEW,
    SET,
    LinkRequest,
    Socket,
    attributes,
    number,
    raw,
    text,
)

TARGET_NETNSID = 46


@pytest.fixture
def netlink(namespace: None) -> Iterator[Socket]:
    with Socket() as netlink:
        yield netlink


def new(kind: str, name: str, more: bytes = b"", index: int = 0) -> LinkRequest:
    info = raw(iflink.LINKINFO, text(iflink.INFO_KIND, kind))
    return LinkRequest(NEW, text(iflink.IFNAME, name) + info + more, index)


def test_ask_with_a_bad_request_between_good_ones(netlink: Socket) -> None:
    answers = netlink.ask([new("bridge", "br-a"), new("nonsense", "br-b"), new("bridge", "br-c")])
    assert [answer.errno for answer in answers] == [0, errno.EOPNOTSUPP, 0]
    assert {"br-a", "br-c"} <= links().keys()


def test_ask_with_a_name_that_is_taken(netlink: Socket) -> None:
    assert [a.errno for a in netlink.ask([new("bridge", "br-a")] * 2)] == [0, errno.EEXIST]


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (new("nonsense", "x"), errno.EOPNOTSUPP, "Unknown device type"),
        (
            new("bridge", "br-a", number(iflink.MTU, 70000)),
            errno.EINVAL,
            "mtu greater than device maximum",
        ),
    ],
)
def test_answer_with_the_kernels_own_words(
    netlink: Socket, request_: LinkRequest, code: int, words: str
) -> None:
    (answer,) = netlink.ask([request_])
    assert (answer.errno, words in answer.text) == (code, True), answer.text


def test_answer_without_words_of_the_kernels(netlink: Socket) -> None:
    (answer,) = netlink.ask([LinkRequest(DELETE, index=4242)])
    assert (answer.errno, answer.text) == (errno.ENODEV, "No such device")


def test_ask_for_nothing(netlink: Socket) -> None:
    assert netlink.ask([]) == []


def test_ask_thousands_at_once(netlink: Socket) -> None:
    """More than one send holds, failures among them, each answer at its own place."""
    requests = [LinkRequest(GET, index=1 if i % 3 else 4242) for i in range(5000)]
    answers = netlink.ask(requests)
    assert [a.errno for a in answers] == [0 if i % 3 else errno.ENODEV for i in range(5000)]
    assert {decode.link(a.links[0])["name"] for a in answers if not a.errno} == {"lo"}


def test_ask_names_a_device_made_in_the_same_send(netlink: Socket) -> None:
    answers = netlink.ask(
        [
            new("bridge", "br-a", index=5001),
            new("bridge", "br-b", index=5002),
            new("veth", "ve-a", index=5003),
            LinkRequest(SET, number(iflink.MASTER, 5001), index=5003),
        ]
    )
    assert [a.errno for a in answers] == [0, 0, 0, 0]
    assert links()["ve-a"]["master"] == "br-a"


def test_dump_of_many_links(netlink: Socket) -> None:
    netlink.ask([new("bridge", f"br-{i}") for i in range(100)])
    names = {decode.link(body)["name"] for body in netlink.dump()}
    assert names == {"lo", *(f"br-{i}" for i in range(100))}


def test_dump_of_the_members_of_a_bridge(netlink: Socket) -> None:
    ip("link", "add", "br-a", "type", "bridge")
    ip("link", "add", "ve-a", "master", "br-a", "type", "veth", "peer", "name", "ve-b")
    index = links()["br-a"]["ifindex"]
    bodies = netlink.dump(number(iflink.MASTER, index))
    assert [decode.link(body)["name"] for body in bodies] == ["ve-a"]


def test_dump_the_kernel_refuses(netlink: Socket) -> None:
    """The kernel tells the error of a dump in its last message; it must not read as "no links"."""
    with pytest.raises(OSError, match="Invalid argument"):
        netlink.dump(number(TARGET_NETNSID, 77))


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=8))
def test_attributes_well_formed(wanted: dict[int, bytes]) -> None:
    data = b"".join(raw(kind, payload) for kind, payload in wanted.items())
    assert attributes(data) == wanted


@given(st.binary(max_size=200), st.integers(0, 210))
def test_attributes_of_hostile_bytes(data: bytes, start: int) -> None:
    found = attributes(data, start)
    assert len(found) <= len(data) // 4
    assert all(len(payload) <= len(data) for payload in found.values())


@given(st.binary(max_size=120))
def test_attributes_of_length_zero_ends(tail: bytes) -> None:
    assert 7 in attributes(struct.pack("=HH", 0, 7) + tail)


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    """What the kernel says of this session's own namespace."""
    with Socket() as netlink:
        return netlink.dump()


def test_bridge_of_a_kernel_that_always_learns_from_link_local_frames(netlink: Socket) -> None:
    """An attribute that this kernel has and an older one has not."""
    ip("link", "add", "br-a", "type", "bridge")
    (body,) = (body for body in netlink.dump() if decode.link(body)["name"] == "br-a")
    switch = struct.pack("=HH", 12, iflink.BR_MULTI_BOOLOPT)
    assert body.count(switch) == 1
    older = body.replace(switch, struct.pack("=HH", 12, 999))
    told = [decode.link(each)["data"]["learns_link_local"] for each in (body, older)]
    assert told == [True, None]


@given(data=st.data())
def test_link_cut_short(bodies: list[bytes], data: st.DataObject) -> None:
    """Anything from a whole header on is read without an error."""
    body = data.draw(st.sampled_from(bodies))
    cut = body[: data.draw(st.integers(16, len(body)))]
    assert decode.link(cut)["index"] == decode.link(body)["index"]
