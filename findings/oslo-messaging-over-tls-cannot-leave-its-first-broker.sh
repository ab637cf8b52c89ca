#!/usr/bin/env bash
# Over TLS oslo.messaging asks every broker of a cluster for the certificate of the first one that it has tried.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0, py-amqp 5.4.2 (as in RabbitMQ 3.10.8 of Debian 12, but any).
# Expected:  transport_url names several brokers, each has a certificate of its own name, ssl_ca_file says who has signed them:
#            where one broker is away, the next one is used, and it is asked for its own name.
# Happens:   the driver leaves the name to kombu (server_hostname = None), which writes that of the first broker that it tries
#            into the parameters, and they are the same for all further brokers: "certificate is not valid for"
#            the first. So no client ever leaves its first broker, or starts where the first that it tries is away.
# So:        a certificate for each node that has the names of all; or connections that ask anew, as vif-agent's do.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
issue() { # NAME ADDRESS: a key and a certificate of that address
    openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr" 2>/dev/null
    openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=IP:$2") -out "$work/$1.crt" 2>/dev/null
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca.key" -subj /CN=authority -out "$work/ca.crt" 2>/dev/null
issue second 127.0.0.2
cat >"$work/rabbitmq.conf" <<CONF
listeners.ssl.default = 127.0.0.2:5671
ssl_options.cacertfile = $work/ca.crt
ssl_options.certfile = $work/second.crt
ssl_options.keyfile = $work/second.key
CONF
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0 amqp==5.4.2
cat >"$work/cast.py" <<'PY'
import io, logging, random, sys
import oslo_messaging
from oslo_config import cfg

first, ca = sys.argv[1:]  # the driver shuffles the brokers: so that this one is tried first
brokers = [f"guest:guest@{address}:5671" for address in ("127.0.0.1", "127.0.0.2")]
for seed in range(100):
    random.seed(seed)
    random.shuffle(order := list(brokers))
    if first in order[0]:
        random.seed(seed)
        break
logging.basicConfig(stream=(log := io.StringIO()), level=logging.ERROR)
cfg.CONF([])
url = f"rabbit://{','.join(brokers)}/?ssl=true&ssl_ca_file={ca}"
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="t", server="s"))
try:
    client.prepare(retry=2).cast({}, "hello")
    print("sent")
except Exception as error:
    why = "certificate is not valid for '127.0.0.1'"
    print(why if why in log.getvalue() + str(error) else repr(error))
PY
cast() { ip netns exec "$ns" "$python" -W ignore "$work/cast.py" "$1" "$work/ca.crt" 2>/dev/null; }
expect "only the second broker is there, and it is tried first" sent "$(cast 127.0.0.2)"
expect "only the second broker is there, and it is tried second" "certificate is not valid for '127.0.0.1'" "$(cast 127.0.0.1)"
