"""Samples to better weights: batches, one readable loop per method, checkpoints that resume. Loads no task and writes no report."""
