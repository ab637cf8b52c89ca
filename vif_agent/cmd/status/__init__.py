"""``vif-agent-status``: a module for each question of ``upgrade check``. Nothing is changed."""
