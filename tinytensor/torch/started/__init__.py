"""Stands in `sys.path` while a script runs, for the processes that it starts. Its one file says more."""
