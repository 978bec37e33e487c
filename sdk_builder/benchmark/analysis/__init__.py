"""What samples amount to: medians, comparisons, energy. Pure functions."""
