"""Three RabbitMQ nodes, each in a network of its own, and storms of casts while they break.

See CONTRIBUTING.md, ``scripts/test-cluster``, and docs/broker.md.
"""
