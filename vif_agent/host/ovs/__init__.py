"""Open vSwitch, by OVSDB."""
