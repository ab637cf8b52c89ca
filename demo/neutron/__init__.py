"""The demo with a real Neutron: two hypervisors whose ports it binds by our mechanism driver."""
