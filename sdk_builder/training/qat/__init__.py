"""Quantization-aware training: a float model teaches the program that it will be."""
