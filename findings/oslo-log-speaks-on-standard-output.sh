#!/usr/bin/env bash
# Without a log file oslo.log writes a service's log to standard output, not to standard error.
#
# Software:  oslo.log 8.1.0.
# Expected:  as logging's own StreamHandler: standard error. A command that uses a service's code keeps its output to itself.
# Happens:   log.setup() with the defaults ([DEFAULT] log_file and log_dir unset, use_stderr false) adds a handler for
#            sys.stdout, so a warning lands amid what a command prints for a script, in its JSON too.
# So:        a command that prints sets use_stderr, or takes that handler away.
. "$(dirname "$0")/kit/start.bash"
python_with oslo.log==8.1.0
cat >"$work/speak.py" <<'PY'
import sys
from oslo_config import cfg
from oslo_log import log

conf = cfg.ConfigOpts()
log.register_options(conf)
conf([])
if "stderr" in sys.argv:
    conf.set_override("use_stderr", True)
log.setup(conf, "speak")
log.getLogger("speak").warning("careful")
PY
streams() {
    "$python" -W ignore "$work/speak.py" "$@" >"$work/out" 2>"$work/err"
    echo "out $(grep -c careful "$work/out" || true), err $(grep -c careful "$work/err" || true)"
}
expect "lines with the defaults" "out 1, err 0" "$(streams)"
expect "lines with use_stderr" "out 0, err 1" "$(streams stderr)"
