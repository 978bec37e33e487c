"""`python -m sdk_builder` is the shakti-sdk command."""

from __future__ import annotations

from sdk_builder.cli import main

if __name__ == "__main__":
    main()
