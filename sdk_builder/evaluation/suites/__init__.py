"""Suites of likelihoods: CrowS-Pairs, BBQ, ToxiGen, Implicit Hate. No torch but in `run`."""
