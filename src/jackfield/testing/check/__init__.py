"""What can be told of a plugin before it is put into service: `jackfield plugin check`.

A lint. It finds mistakes, and proves nothing of code that hides what it does.
"""

from jackfield.testing.check.findings import CODES, Finding
from jackfield.testing.check.report import Report, check
from jackfield.testing.check.subjects import Subject, find_subjects

__all__ = ["CODES", "Finding", "Report", "Subject", "check", "find_subjects"]
