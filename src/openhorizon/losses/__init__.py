"""Pure functions of tensors, one idea a file. They consume per-token weights and never make them, and hold no model."""
