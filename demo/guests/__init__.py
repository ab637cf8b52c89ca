"""The demo with real guests, of libvirt's, on the wires of an agent that is ill-treated."""
