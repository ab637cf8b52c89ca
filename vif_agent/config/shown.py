"""The configuration as it may be shown to others: all values in effect, and no secret."""

import re
from typing import Any

#: user and password of one URL, or of all brokers of one
_LOGIN = re.compile(r"(?<=://)[^\s/]*@")


def without_logins(text: str) -> str:
    """Where a URL stands in other words: in a message of a library's, in a log."""
    return _LOGIN.sub("***@", text)


def shown(conf: Any) -> str:
    """A line for each option that is known to this process; of a secret one oslo.config shows no
    more than stars."""
    lines = _Lines()
    conf.log_opt_values(lines, 0)
    return without_logins("\n".join(lines.said))


class _Lines:
    """What oslo.config would write to a log."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def log(self, _level: int, text: str, *values: object) -> None:
        self.said.append(text % values if values else text)
