"""These run in Neutron's environment, on its own test base: ``tests/neutron/test_driver*.py``."""

import neutron.tests.unit  # noqa: F401  # chooses how oslo.service runs, before that is imported
