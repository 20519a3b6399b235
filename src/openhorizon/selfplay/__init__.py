"""Self-play: tasks are proposed, solved, checked five ways and curated before anyone learns from them."""
