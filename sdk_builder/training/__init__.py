"""Training: pre-training, SFT, DPO, RLHF, and quantization-aware training."""
