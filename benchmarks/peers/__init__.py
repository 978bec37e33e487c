"""The tools that shakti-sdk is measured against, set up by the benchmarks themselves."""
