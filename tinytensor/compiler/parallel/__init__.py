"""A step shared by several processes: the process group, its collectives, and the runner."""
