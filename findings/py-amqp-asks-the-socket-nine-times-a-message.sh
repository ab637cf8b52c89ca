#!/usr/bin/env bash
# For one delivered message py-amqp calls recv() nine times, and changes the socket's timeout six times.
#
# Software:  py-amqp 5.4.2 (what kombu and oslo.messaging talk to RabbitMQ with), here with a broker of a few lines.
# Expected:  what has come is read at once: a message of five bytes, or ten messages that came together, take one recv().
# Happens:   a message is three frames, and each is read by its header, its payload and its last octet; drain_events(timeout)
#            sets the timeout before each frame, and back after it. All of it is the same when everything has come long ago.
# So:        whoever takes in many messages reads ahead. vif-agent reads 16 KiB at once, and takes whole frames from there.
. "$(dirname "$0")/kit/start.bash"
python_with amqp==5.4.2
ip netns add "$ns"
ip -n "$ns" link set lo up
cat >"$work/count.py" <<'PY'
import collections, socket, struct, sys, threading
import amqp

MESSAGES = 10

def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"

def method(channel, class_id, method_id, arguments):
    return frame(1, channel, struct.pack(">HH", class_id, method_id) + arguments)

def delivery(body):
    header = struct.pack(">HHQH", 60, 0, len(body), 0)
    return method(1, 60, 60, b"\1c" + bytes(7) + b"\1\0" + b"\0" + b"\1q") + frame(2, 1, header) + frame(3, 1, body)

def broker(listener):
    client = listener.accept()[0]
    heard = client.makefile("rb")

    def hear(frames):
        for _ in range(frames):
            heard.read(struct.unpack(">BHI", heard.read(7))[2] + 1)

    heard.read(8)
    client.sendall(method(0, 10, 10, b"\0\x09" + bytes(4) + b"\0\0\0\5PLAIN" + b"\0\0\0\5en_US"))  # start
    hear(1)
    client.sendall(method(0, 10, 30, struct.pack(">HIH", 0, 131072, 0)))  # tune
    hear(2)
    client.sendall(method(0, 10, 41, b"\0"))  # open-ok
    hear(1)
    client.sendall(method(1, 20, 11, bytes(4)))  # channel open-ok
    hear(1)
    client.sendall(method(1, 60, 21, b"\1c") + delivery(b"hello") * MESSAGES)  # consume-ok, and all messages at once
    heard.read()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=broker, args=[listener], daemon=True).start()
connection = amqp.Connection(f"127.0.0.1:{listener.getsockname()[1]}", connect_timeout=20)
connection.connect()
messages, calls = [], collections.Counter()
connection.channel().basic_consume("q", consumer_tag="c", no_ack=True, callback=messages.append)

def count(_frame, event, function):
    if event == "c_call":
        calls[function.__name__] += 1

sys.setprofile(count)
while len(messages) < MESSAGES:
    connection.drain_events(timeout=20)
sys.setprofile(None)
print(messages[-1].body, calls["recv"] / MESSAGES, calls["settimeout"] / MESSAGES)
PY
read -r body recv timeouts < <(ip netns exec "$ns" "$python" -W ignore "$work/count.py")
expect "the message" "b'hello'" "$body"
expect "recv() for each" 9.0 "$recv"
expect "settimeout() for each" 6.0 "$timeouts"
