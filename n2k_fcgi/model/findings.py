"""What an examination finds."""

from enum import Enum
from typing import NamedTuple

from n2k_fcgi.errors import shown

TEXT_CHARACTERS = 2000
"""The most of an observation: some name many paths."""


class Verdict(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but slowly or not for long, or only the owner knows whether it is intended."""
    PROBLEM = "problem"
    """Does not work, or loses or publishes data."""


class Finding(NamedTuple):
    """One line of ``n2k doctor``: verdict, subject, observation, and what to do."""

    verdict: Verdict
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """The line, verdict first: ``problem  token file: others can read it: chmod 600 ...``.

        A text may have words of a server: it is made printable, and bounded.
        """
        return f"{self.verdict.value:<8} {self.subject}: {shown(self.text, TEXT_CHARACTERS)}" + (
            f": {self.advice}" if self.advice else ""
        )


def ok(subject: str, text: str) -> Finding:
    """A ``Finding`` that is OK."""
    return Finding(Verdict.OK, subject, text)


def warning(subject: str, text: str, advice: str) -> Finding:
    """A ``Finding`` that is a WARNING."""
    return Finding(Verdict.WARNING, subject, text, advice)


def problem(subject: str, text: str, advice: str) -> Finding:
    """A ``Finding`` that is a PROBLEM."""
    return Finding(Verdict.PROBLEM, subject, text, advice)
