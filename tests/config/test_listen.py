"""Where the agent listens for monitoring, as the operator may write it."""

import pytest

from vif_agent.config.option_types import ListenAddress, host_and_port


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("127.0.0.1:9479", ("127.0.0.1", 9479)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::]:65535", ("::", 65535)),
        ("[2001:db8::7]:9479", ("2001:db8::7", 9479)),
    ],
)
def test_address_and_port(text: str, means: tuple[str, int]) -> None:
    assert ListenAddress()(text) == text
    assert host_and_port(text) == means


@pytest.mark.parametrize(
    "text",
    ["", "9479", ":9479", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:9479",
     "[127.0.0.1]:9479", "localhost:9479", "127.0.0.1:+1", "127.0.0.1:٣", "127.0.0.1:9479 ",
     "[::1]"],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected an IP address and a port, as 127.0.0.1:9479"):
        ListenAddress()(text)
