"""`python -m jackfield.sdk.serve module:Provider`."""

from jackfield.sdk.serve.serving import main

main()
