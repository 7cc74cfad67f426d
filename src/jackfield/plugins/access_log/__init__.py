"""One line for each request, in a file."""
