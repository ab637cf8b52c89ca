"""Firewall drivers: a VIF in, what its guest may say of itself out. Pure."""
