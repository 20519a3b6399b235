"""Messages to tokens and back, exactly once: templates, the wire format of calls, tiny models' own tokenizer; samples nothing, runs no tool."""
