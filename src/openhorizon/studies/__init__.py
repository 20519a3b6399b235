"""Studies: what of the method matters, each question asked alone, on finished runs of several seeds."""
