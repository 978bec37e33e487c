"""``python -m sdk_builder.benchmark.worker``: measure one round."""

from __future__ import annotations

import sys

from sdk_builder.benchmark.worker.process import main

if __name__ == "__main__":
    sys.exit(main())
