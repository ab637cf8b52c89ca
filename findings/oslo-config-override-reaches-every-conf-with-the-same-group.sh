#!/usr/bin/env bash
# set_override() on one ConfigOpts changes the option for every other ConfigOpts that was given the same OptGroup object.
#
# Software:  oslo.config 10.7.0.
# Expected:  a ConfigOpts made by the caller holds its own values: "set_override" in one test or one part of a process is not
#            seen by another that only registers the same options.
# Happens:   register_group() takes a shallow copy of the OptGroup, and all the copies have one table of options. An override
#            (or set_default) in one ConfigOpts is read in all that registered the group, also in those made afterwards.
#            Where the group is given by its name, each has a table of its own.
# So:        a module-level OptGroup is shared state. Tests that must not touch each other set values by a file, or take the
#            override back before they end; vif-agent's use a file.
. "$(dirname "$0")/kit/start.bash"
python_with oslo.config==10.7.0
cat >"$work/leak.py" <<'PY'
import sys
from oslo_config import cfg

group = {"object": cfg.OptGroup("driver"), "name": "driver"}[sys.argv[1]]

def own_conf():
    conf = cfg.ConfigOpts()
    if isinstance(group, cfg.OptGroup):
        conf.register_group(group)
    conf.register_opt(cfg.BoolOpt("enabled", default=False), group=group)
    conf([])
    return conf

one, two = own_conf(), own_conf()
one.set_override("enabled", True, group="driver")
print("overridden", one.driver.enabled, "beside", two.driver.enabled, "made later", own_conf().driver.enabled)
PY
leak() { "$python" -W ignore "$work/leak.py" "$1" 2>&1; }
expect "the group is given by its name" "overridden True beside False made later False" "$(leak name)"
expect "the group is given as one OptGroup" "overridden True beside True made later True" "$(leak object)"
