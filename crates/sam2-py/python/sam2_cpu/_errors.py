"""Exceptions of this package."""


class PromptError(ValueError):
    """A prompt that no mask can be predicted for: empty, or with coordinates that are not numbers."""


class CheckpointError(RuntimeError):
    """A file without the weights of a model that this package knows; the text says what it is."""


class MissingLabels(AssertionError, ValueError):
    """Points without labels. Meta's code raises ``AssertionError``."""
