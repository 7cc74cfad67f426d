"""What Jackfield costs, measured: `python -m bench`. Budgets are ratios of two things measured in one run."""
