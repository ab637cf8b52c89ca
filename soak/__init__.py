"""The soak: the real daemon under mixed load with faults, audited from outside now and then."""

import warnings

warnings.simplefilter("ignore")  # eventlet tells whoever imports oslo.messaging of its retirement
