from collections.abc import Iterator

import pytest

from tests.support.wire import Wire
from vif_agent.host.real import RealHost


@pytest.fixture
def wire(host: RealHost) -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()
