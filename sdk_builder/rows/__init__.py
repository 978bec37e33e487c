"""Rows of data sets: local files of every usual kind, and the Hugging Face hub. No torch."""
