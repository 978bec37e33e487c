"""Finds the smallest program that is good enough, or the best one that is small enough."""
