"""Tables, plots and pages from result files. Reads result files only."""
