"""A million mutated casts and calls: no crash, nothing of others changed, no long line, a bound on
memory.

See CONTRIBUTING.md, ``scripts/fuzz``.
"""
