"""Ray actors, one a file: they own processes and resources, never algorithms.

Importing this package sets what Ray reads from the environment when it is imported.
"""

import os

# Every listener of a local Ray stays on 127.0.0.1; without it the head node binds to all interfaces.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# What Ray prints of processes that died is logged, where colours would be noise.
os.environ.setdefault("RAY_COLOR_PREFIX", "0")
# Until a node's death is known, its actors only seem out of reach; without a pause all retries are used up by then.
os.environ.setdefault("RAY_task_retry_delay_ms", "1000")
# A busy machine may take longer than Ray's 30 seconds to start its head.
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "180")
