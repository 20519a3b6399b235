"""Scores to intervals, paired differences and headroom. Plays no attempt and draws no picture."""
