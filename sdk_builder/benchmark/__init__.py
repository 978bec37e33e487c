"""The benchmark: its protocol, the runners for phones and this machine, its statistics."""
