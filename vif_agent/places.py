"""The former place of ``vif_agent.pci_names``: plugins of other packages import it from here."""

from vif_agent.pci_names import CARD, NETDEV, PF_ADDRESS, REPRESENTOR, VF_NUMBER, of_pci

__all__ = ["CARD", "NETDEV", "PF_ADDRESS", "REPRESENTOR", "VF_NUMBER", "of_pci"]
