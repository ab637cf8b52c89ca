from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import Site, Vif


@pytest.fixture
def plugged(site: Site, payload: Callable[[str], Vif]) -> Iterator[Vif]:
    vif = payload("ovs_hybrid")
    site.plug(vif)
    yield vif
    site.unplug(vif)
