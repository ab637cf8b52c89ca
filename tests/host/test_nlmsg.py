"""The numbers of netlink's messages, against pyroute2's."""

from pyroute2 import netlink
from pyroute2.netlink import rtnl

from vif_agent.host.netlink import nlmsg


def test_each_number_is_pyroute2s() -> None:
    ours = {name: value for name, value in vars(nlmsg).items() if name.isupper()}
    assert ours == {n: getattr(rtnl if n.startswith("RTM_") else netlink, n) for n in ours}
    assert len(ours) == 22
