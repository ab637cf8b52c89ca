"""What Neutron expects of an L2 agent, in plain oslo.messaging: nothing of Neutron is imported.

Each errand has a thread of its own, which may wait for the broker and for Neutron's servers for as
long as they are away. Nothing is queued for them: what is to be told follows from the store anew.
"""
