"""What the agent may look up: a lexical index over the pages of the graph."""
