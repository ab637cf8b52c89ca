from collections.abc import Iterator

import pytest

from vif_agent.helper.process import context


@pytest.fixture
def in_process() -> Iterator[None]:
    """What the helper does is done in this process."""
    client_mode = context.client_mode
    context.set_client_mode(False)
    yield
    context.set_client_mode(client_mode)
