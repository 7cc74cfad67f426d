"""New plugins, one template folder for each way of writing them: what `jackfield plugin new` makes."""

from jackfield.testing.scaffolds.names import Names
from jackfield.testing.scaffolds.writing import KINDS, render, write

__all__ = ["KINDS", "Names", "render", "write"]
