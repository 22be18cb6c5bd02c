"""The one error that a person caused and a person can mend; the command line prints it as a single line."""


class InputError(ValueError):
    """What was given, what was expected, what to do: one sentence, fit to be shown without a traceback."""
