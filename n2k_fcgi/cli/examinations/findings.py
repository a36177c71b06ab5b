"""What an examination finds."""

from typing import NamedTuple

OK, WARNING, PROBLEM = "ok", "warning", "problem"


class Finding(NamedTuple):
    """One line of the doctor's: how bad, what was looked at, what it is like, and what to do."""

    verdict: str
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """The line, the verdict first: ``problem  token file: everybody can read it: chmod 600 ...``."""
        return f"{self.verdict:<8} {self.subject}: {self.text}" + (f": {self.advice}" if self.advice else "")


def ok(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(OK, subject, text)


def warning(subject: str, text: str, advice: str) -> Finding:
    """Works, but slower or not for long, or only the owner knows whether it is meant so."""
    return Finding(WARNING, subject, text, advice)


def problem(subject: str, text: str, advice: str) -> Finding:
    """Does not work, or loses or publishes data."""
    return Finding(PROBLEM, subject, text, advice)
