"""The error tree.

OpenHorizonError
├── UserError (also ValueError)   the user's input is wrong: exit code 2, the text says what, where, mend
│   ├── ConfigError               a recipe value or a --set path
│   ├── CorpusError               documents that cannot be read
│   ├── ModelError                a model folder, tokenizer, template or checkpoint that cannot be used
│   └── RunError                  a run folder: locked, of another version, damaged, missing
├── InfrastructureError           something of ours or around us broke: a rollout becomes ABORTED, retried
│   ├── EngineError
│   └── SandboxError
└── ToolError                     what the model did wrong: never leaves a rollout, the model reads the text
"""


class OpenHorizonError(Exception):
    """Root of everything this package raises on purpose."""


class UserError(OpenHorizonError, ValueError):
    """A user's mistake; the text names the value, the place and the mend. Exit code 2."""


class ConfigError(UserError):
    """A recipe value, path or type that is not valid."""


class CorpusError(UserError):
    """A corpus that is missing, empty or unreadable."""


class ModelError(UserError):
    """A model folder, tokenizer, chat template or checkpoint that cannot be used."""


class RunError(UserError):
    """A run folder that cannot be used: locked, damaged, of another version, or without what was asked."""


class InfrastructureError(OpenHorizonError):
    """An engine, sandbox or store broke. Never the model's fault, never scored."""


class EngineError(InfrastructureError):
    """The engine that writes tokens failed."""


class SandboxError(InfrastructureError):
    """The sandbox itself failed (not the program in it)."""


class ToolError(OpenHorizonError):
    """A tool call the model got wrong; the text goes back to the model as the observation."""
