"""``python -m cluster.sender FILE NAME COUNT SECONDS``: casts to the host's agent, evenly spread.

What is held up is sent afterwards, as fast as that goes. No cast is sent twice by us: whether its
sender was told that it went is written down.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator

from cluster.client import Client, configured, read
from tests.support.examples import INSTANCE, PAYLOADS
from vif_agent.bus import connections
from vif_agent.bus.api import VifAgentAPI

SENT = "sent"
_THREADS = 6
_LIMIT = 10.0  # seconds for one cast
_VIF = json.loads((PAYLOADS / "noop.json").read_text())  # about as large as nova's are


class Storm:
    def __init__(self, client: Client, name: str, count: int, seconds: float) -> None:
        self._client = client
        self._api = VifAgentAPI(transport=connections.rpc(configured(client)), timeout=_LIMIT)
        self._pace = seconds / count
        self._numbers = iter(range(count))
        self._lock = threading.Lock()
        self._file = client.sent(name).open("w")

    def run(self) -> None:
        begin = time.monotonic()
        threads = [threading.Thread(target=self._some, args=(begin,)) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._file.close()

    def _some(self, begin: float) -> None:
        for number in self._mine():
            time.sleep(max(0.0, begin + number * self._pace - time.monotonic()))
            self._cast(str(uuid.uuid4()))

    def _mine(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield number

    def _cast(self, port_id: str) -> None:
        before = time.time()
        try:
            vif = {**_VIF, "id": port_id}
            self._api.plug_vif({"request_id": "req-storm"}, self._client.host, INSTANCE, vif)
            how = SENT
        except Exception as error:  # whatever it is, the sender knows
            how = f"{type(error).__name__}: {error}".replace("\n", " ")
        with self._lock:
            self._file.write(f"{port_id} {before:.3f} {time.time():.3f} {how}\n")


def main() -> None:
    file, name, count, seconds = itertools.islice(sys.argv, 1, 5)
    Storm(read(file), name, int(count), float(seconds)).run()


if __name__ == "__main__":
    main()
