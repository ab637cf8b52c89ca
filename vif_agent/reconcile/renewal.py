"""What ports want can change without a request: the peers of their tunnels."""

from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import Vxlan


def renew(records: PortRecords) -> None:
    """Ask anew for all that have tunnels. What then differs on the host nobody has changed."""
    tunnelled = [r for r in records if any(isinstance(each, Vxlan) for each in r.wanted)]
    for record in tunnelled:
        record.answers = ()
        record.progress.renewed = record.port.ready_at is not None
    records.ask_again([record.port.port_id for record in tunnelled], renewed=True)
