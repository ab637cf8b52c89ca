"""The demo: the real agent on a scratch host, from the first cast to the last unplug."""

import warnings

warnings.simplefilter("ignore")  # eventlet tells whoever imports oslo.messaging of its retirement
