#!/usr/bin/env bash
# Importing oslo.messaging imports eventlet, also when oslo.service has been told before that threads are native.
#
# Software:  oslo.messaging 18.3.1, oslo.service 4.8.0 (which requires eventlet), futurist 3.5.0, oslo.utils 10.2.0, eventlet 0.41.3.
# Expected:  init_backend(THREADING) is there to do without eventlet, and it is imported by those who say EVENTLET.
# Happens:   futurist and oslo.utils import eventlet wherever it is installed, to ask whether it has patched. Nothing is
#            patched, but it is in memory (9 MB, with what it needs, and 0.1 s of CPU at the start). To hide it is not enough
#            either: oslo.messaging takes a base class of oslo.service, which without init_backend() wants eventlet
#            and raises ValueError.
# So:        both, before the first import of any of them: sys.modules["eventlet"] = None, and init_backend(THREADING).
. "$(dirname "$0")/kit/start.bash"
python_with oslo.messaging==18.3.1 "oslo.service[threading]==4.8.0" futurist==3.5.0 oslo.utils==10.2.0 eventlet==0.41.3
hide='import sys; sys.modules["eventlet"] = None'
threads='from oslo_service import backend; backend.init_backend(backend.BackendType.THREADING)'
look='import sys; print("eventlet.hubs" in sys.modules)'
after() { "$python" -W ignore -c "$(printf '%s\n' "$@" 'import oslo_messaging' "$look")" 2>&1 | tail -n 1; }
expect "eventlet's hubs are imported by oslo.messaging" True "$(after)"
expect "after init_backend(THREADING)" True "$(after "$threads")"
expect "with eventlet hidden" "ValueError: Unknown backend: 'eventlet'" "$(after "$hide")"
expect "with eventlet hidden, and init_backend(THREADING)" False "$(after "$hide" "$threads")"
