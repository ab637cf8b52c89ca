"""Links, addresses and tunnels: the kernel, by rtnetlink."""
