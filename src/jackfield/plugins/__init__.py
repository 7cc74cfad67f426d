"""The plugins that come with Jackfield. They use the SDK and nothing else."""
