"""The long runs, and those that need files which cannot be shipped; data/results has what they measured."""
