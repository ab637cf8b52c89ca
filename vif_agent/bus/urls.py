"""Is a transport URL one that oslo.messaging reads as it was meant? Of a URL, which has a password,
nothing may ever be printed; so no error here has a part of it.

oslo.messaging splits at the first "/", "?" or "#" and at every ",". A password with one of these in
it makes another URL, often a good one: of other hosts, which are then printed as unreachable. (A
password with "@" and then "," and ":" cannot be told from a list of brokers, and is taken for one.)
"""

import re

from vif_agent.errors import NotConfigured

_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?P<authority>[^/?#]*)(?P<rest>[^#@]*)", re.IGNORECASE)
_BROKER = re.compile(
    r"((?P<user>[^:@]*)(?P<password>:[^@]*)?@)?"
    r"(?P<host>[a-z0-9_.-]*|\[[0-9a-f:.]+(%[a-z0-9_.-]+)?\])(:(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)


def check(option: str, url: str) -> None:
    """NotConfigured says what to write."""
    if not _is_good(url):
        raise NotConfigured(
            f"{option}: expected rabbit://USER:PASSWORD@HOST:PORT/VHOST, and in USER, PASSWORD and "
            "VHOST each of these characters escaped: % as %25, : as %3A, / as %2F, ? as %3F, "
            "# as %23, @ as %40, comma as %2C, blank as %20"
        )


def _is_good(url: str) -> bool:
    parts = _URL.fullmatch(url)
    if parts is None or not url.isprintable() or " " in url:
        return False
    brokers = [_BROKER.fullmatch(one) for one in parts["authority"].split(",") if one]
    return _are_alike(brokers) and all(b and 0 < int(b["port"] or 1) < 1 << 16 for b in brokers)


def _are_alike(brokers: list[re.Match[str] | None]) -> bool:
    """Those with a name are named alike, and the first is if any is: else a part of a password is
    read as a host of its own."""
    forms = [(b["user"] is not None, b["password"] is not None) for b in brokers if b]
    named = {form for form in forms if form[0]}
    whole = all(b["user"] and b["host"] for b in brokers if b and b["user"] is not None)
    return not named or (whole and len(named) == 1 and forms[0] in named)
