"""What storing and reading costs, against other ways to do the same. Run by ``python -m benchmarks``."""
