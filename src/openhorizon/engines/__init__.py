"""Who writes the next tokens: a model on this machine, or a script. Knows nothing of tasks, tools or rewards."""
