"""Virtual functions: found by sysfs, read by netlink, and changed by the helper."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vif_agent.errors import NotYet, Problem
from vif_agent.helper import calls
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import SetVf
from vif_agent.helper.process import helper
from vif_agent.host.netlink import iflink, vf_messages
from vif_agent.host.netlink.links import problem
from vif_agent.host.netlink.rtnetlink import GET, LinkRequest, Socket, number, text
from vif_agent.host.pci import Pci
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.resources import VF, Key, Vf

_WITH_VFS = number(iflink.EXT_MASK, iflink.SKIP_STATS | iflink.WITH_VFS)
_RATES = ("min_tx_rate", "max_tx_rate")


def read(addresses: Collection[str], pci: Pci) -> dict[Key, Found]:
    """Those that a card of this host shows."""
    numbers = dict(_numbers(addresses, pci))
    if not numbers:
        return {}
    cards = _cards(sorted({card for card, _ in numbers.values()}))
    return {
        Key(VF, address): _found(address, cards[card][0], fields, pci)
        for address, (card, vf) in numbers.items()
        if card in cards and (fields := cards[card][1].get(vf)) is not None
    }


def change(steps: Sequence[Step], pci: Pci) -> dict[Key, Problem]:
    """What failed, by key. One that is not there any longer is seen so at the next reconcile."""
    numbers = dict(_numbers([step.key.name for step in steps], pci))
    orders = [_order(s, numbers[s.key.name][1]) for s in steps if s.key.name in numbers]
    if not orders:
        return {}
    with helper(call="set_vfs"):
        failures = calls.set_vfs([to_plain(order) for order in orders])
    return {Key(VF, address): problem(address, *failure) for address, failure in failures.items()}


def _cards(names: Sequence[str]) -> dict[str, tuple[int, Mapping[int, Mapping[str, Any]]]]:
    """Those that exist: the index of each, and its VFs by number."""
    with Socket() as netlink:
        answers = netlink.ask([LinkRequest(GET, _WITH_VFS + text(iflink.IFNAME, n)) for n in names])
    pairs = zip(names, answers, strict=True)
    return {name: vf_messages.read(body) for name, answer in pairs for body in answer.links}


def _numbers(addresses: Collection[str], pci: Pci) -> Iterator[tuple[str, tuple[str, int]]]:
    """The card's network device, and its number for the VF."""
    for address in addresses:
        try:
            yield address, (pci.card(address), pci.vf_number(address))
        except NotYet:
            continue


def _found(address: str, index: int, fields: Mapping[str, Any], pci: Pci) -> Found:
    """A guest that is trusted may give its VF another MAC: it is then the guest's to say."""
    vf = Vf(name=address, **fields)
    guests = vf.trust and pci.is_passed_through(address)
    return Found(vf, index=index, others=frozenset({"mac"} if guests else ()))


def _order(step: Step, number: int) -> SetVf:
    """Only what differs; but both rates, which are set as one."""
    assert step.found
    fields: dict[str, Any] = {d.field: d.wanted for d in step.differences}
    if fields.keys() & set(_RATES):
        living = dataclasses.asdict(step.found.resource)
        fields = {**{rate: living[rate] or 0 for rate in _RATES}, **fields}
    return SetVf(name=step.key.name, index=step.found.index, number=number, **fields)
