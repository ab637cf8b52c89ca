#!/usr/bin/env bash
# An RPC that fails on the other host with KeyError, or ConnectionRefusedError, raises just that in the caller.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0, RabbitMQ 3.10.8 (Debian 12).
# Expected:  what the documentation of RPCClient.call() says: an exception of a module in allowed_remote_exmods (by default
#            there is none) is raised as a class whose name ends with "_Remote", any other as RemoteError: the caller can
#            always tell it from an error of its own.
# Happens:   Python's built-in exceptions are made anew whatever allowed_remote_exmods is, and bear their own name. A KeyError
#            of the endpoint is a KeyError here, with the endpoint's traceback as its key; where the endpoint could not reach
#            its database, the caller's "except ConnectionError", meant for its own bus, catches that.
# So:        around call() catch only what is sure to come from the bus (MessagingTimeout, MessageDeliveryFailure), and let
#            endpoints raise errors of their own classes. vif-agent's do: what they refuse is a VifAgentError.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/call.py" <<'PY'
import errno, logging, os, shutil
import oslo_messaging as messaging
from oslo_config import cfg

class OwnError(Exception):
    pass

class Endpoint:
    def fail(self, context, how):
        raise {
            "own": OwnError("no such port"),
            "listed": shutil.Error("no such port"),
            "KeyError": KeyError("no such port"),
            "ConnectionRefusedError": ConnectionRefusedError(errno.ECONNREFUSED, "database"),
        }[how]

logging.basicConfig(level=logging.CRITICAL)
cfg.CONF([])
url = "rabbit://guest:guest@127.0.0.1:5672/"
target = messaging.Target(topic="hosts", server="one")
messaging.get_rpc_server(messaging.get_rpc_transport(cfg.CONF, url), target, [Endpoint()], executor="threading").start()
transport = messaging.get_rpc_transport(cfg.CONF, url, allowed_remote_exmods=["shutil"])
client = messaging.get_rpc_client(transport, target, timeout=20)
for how in ("own", "listed", "KeyError", "ConnectionRefusedError"):
    try:
        client.call({}, "fail", how=how)
    except Exception as error:
        kind = type(error)
        print(kind.__name__, "of", kind.__module__ + ",", "traceback" if "Traceback" in str(error.args[0]) else error.args, flush=True)
os._exit(0)
PY
mapfile -t seen < <(timeout 120 ip netns exec "$ns" "$python" -W ignore "$work/call.py" 2>"$work/log")
expect "the endpoint raises an exception of its own" "RemoteError of oslo_messaging.rpc.client, traceback" "${seen[0]-}"
expect "one of a module that is allowed" "Error_Remote of shutil_Remote, ('no such port',)" "${seen[1]-}"
expect "KeyError('no such port')" "KeyError of builtins, traceback" "${seen[2]-}"
expect "ConnectionRefusedError, of its own database" "ConnectionRefusedError of builtins, traceback" "${seen[3]-}"
