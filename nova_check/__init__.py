"""nova's own libvirt VIF driver, with os-vif's plugin and with ours: does the host end the same?"""
