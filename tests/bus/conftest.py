from collections.abc import Iterator

import pytest

from vif_agent.testing.rabbit import PrivateRabbit


@pytest.fixture(scope="module")
def rabbit(isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbit]:
    with PrivateRabbit(tmp_path_factory.mktemp("rabbit")) as running:
        yield running
