"""``vif-agent-setup``: puts in place on the host what the environment's wheel has brought for it.

What is done follows from three things alone: what the wheel brought, what the record says was laid
before, what lies there now. So it may be repeated, and killed at any line; the dry run is the same
plan, not carried out.
"""
