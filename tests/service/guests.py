"""In a machine's network: guests behind pairs of taps send each other numbered frames, until the
standard input ends; then it says what was sent and what was lost."""

from __future__ import annotations

import contextlib
import json
import sys

from tests.support.traffic import Traffic
from vif_agent.testing.frames import TapEnd

_INTERVAL = 0.005


def main(taps: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        all_traffic = [
            stack.enter_context(
                Traffic(_end(stack, a, 2 * n), _end(stack, b, 2 * n + 1), _INTERVAL)
            )
            for n, (a, b) in enumerate(zip(taps[::2], taps[1::2], strict=True))
        ]
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()
    sent = sum(each.sent for each in all_traffic)
    wrong = [text for each in all_traffic for text in each.wrong]
    json.dump({"sent": sent, "wrong": wrong}, sys.stdout)


def _end(stack: contextlib.ExitStack, tap: str, number: int) -> tuple[TapEnd, str]:
    return stack.enter_context(TapEnd(tap)), f"02:00:00:00:00:{number:02x}"


if __name__ == "__main__":
    main(sys.argv[1:])
