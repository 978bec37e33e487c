"""For all tests: one thread a process, so that several may run side by side."""

from __future__ import annotations

import os

# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
