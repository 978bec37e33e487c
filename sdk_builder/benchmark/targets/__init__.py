"""Where a benchmark runs: phones, this machine, a peer on this machine."""
