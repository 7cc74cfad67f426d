"""`python -m jackfield` is the `jackfield` command."""

import sys

from jackfield.cli import main

sys.exit(main())
