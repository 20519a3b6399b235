"""Task and engine to judged trajectory, many at once. Decides nothing about training, and never raises for what a model did."""
