"""In a machine's network: guests behind pairs of taps send each other numbered frames, until the
standard input ends; then it says what was sent and what was lost."""

from __future__ import annotations

import contextlib
import json
import sys

from tests.support.traffic import Traffic
from vif_agent.testing.frames import TapEnd

_INTERVAL = 0.005


def main(guests: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        ends = [_end(stack, *guest.split(",")) for guest in guests]
        all_traffic = [
            stack.enter_context(Traffic((a, a_mac), (b, b_mac), _INTERVAL, (a_ip, b_ip)))
            for (a, a_mac, a_ip), (b, b_mac, b_ip) in zip(ends[::2], ends[1::2], strict=True)
        ]
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()
    sent = sum(each.sent for each in all_traffic)
    wrong = [text for each in all_traffic for text in each.wrong]
    json.dump({"sent": sent, "wrong": wrong}, sys.stdout)


def _end(stack: contextlib.ExitStack, tap: str, mac: str, address: str) -> tuple[TapEnd, str, str]:
    return stack.enter_context(TapEnd(tap)), mac, address


if __name__ == "__main__":
    main(sys.argv[1:])
