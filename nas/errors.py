"""Mistakes and circumstances a user can mend, told in one line.

The command line prints the message of any of these and exits with 2; everything else is a defect
and keeps its traceback.
"""


class UserError(ValueError):
    """Something outside the code is wrong; the message says what was expected and what came."""


class StudyError(UserError):
    """A study directory that is missing, foreign, damaged, in use, or that cannot be written."""


class WorkerError(UserError):
    """The workers of an executor cannot be started, or keep dying without a result."""


def plain(text: str) -> str:
    """The text without what a terminal would obey, such as the start of an escape sequence."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
