"""Which weights are stored how, in how many bits, and their values. No ExecuTorch here."""

import logging

# torchao registers its enums in a way that torch warns of, once for each, at every import.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
