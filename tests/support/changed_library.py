"""Stands for a library whose newer release has changed what it never promised."""


class Connection:
    def __init__(self) -> None:
        self._channel: object = None

    def reset(self) -> None:
        self._consumers: dict[str, str] = {}

    def _set_channel(self, channel: object, quickly: bool = False) -> None:
        self._channel = channel

    def connect(self) -> str:
        def failed(why: str) -> str:
            return f"Connection failed: {why}"

        return failed("as always")


def send(message: str) -> None:
    """As it was."""
