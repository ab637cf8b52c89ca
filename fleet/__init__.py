"""A region's day: many real agents, each on a host in memory, at one real broker."""

import warnings

warnings.simplefilter("ignore")  # eventlet tells whoever imports oslo.messaging of its retirement
