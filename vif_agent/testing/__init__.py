"""Real peers for tests, demo and benchmark: a namespace, an Open vSwitch, a RabbitMQ, frames.

Nothing here imitates anything. All of it runs in a fresh network namespace and a directory of its
own, never touches the machine's interfaces, and ends only the processes it started. Most needs
root.
"""
