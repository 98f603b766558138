"""From a step to its program: tracers, closure capture, guards, declared state, random streams."""
