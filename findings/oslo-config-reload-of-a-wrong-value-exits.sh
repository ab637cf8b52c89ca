#!/usr/bin/env bash
# Reloading a configuration file that has become wrong raises SystemExit, from whatever thread reloads it.
#
# Software:  oslo.config 10.7.0.
# Expected:  mutate_config_files() is there for services that reload on SIGHUP: a file with a mistake raises an error that
#            "except Exception" catches, so that the service goes on as it was.
# Happens:   for a wrong value of an option that is also on the command line (debug, of oslo.log, is one) SystemExit is
#            raised. It passes "except Exception": a service that reloads so ends, or loses the thread that does it.
# So:        catch SystemExit where you reload, or check the file with a ConfigOpts of its own first.
. "$(dirname "$0")/kit/start.bash"
python_with oslo.config==10.7.0
cat >"$work/reload.py" <<'PY'
import contextlib, io, sys
from oslo_config import cfg

file = sys.argv[1]
conf = cfg.ConfigOpts()
conf.register_cli_opts([cfg.BoolOpt("debug", default=False, mutable=True)])
open(file, "w").write("[DEFAULT]\ndebug = true\n")
conf(["--config-file", file])
print("before:", conf.debug)
open(file, "w").write("[DEFAULT]\ndebug = perhaps\n")
with contextlib.redirect_stderr(io.StringIO()):
    try:
        conf.mutate_config_files()
        print("reload: no error")
    except BaseException as error:
        print("reload:", type(error).__name__)
PY
mapfile -t seen < <("$python" -W ignore "$work/reload.py" "$work/service.conf" 2>&1)
expect "debug" "before: True" "${seen[0]}"
expect "the file has now debug = perhaps" "reload: SystemExit" "${seen[1]}"
