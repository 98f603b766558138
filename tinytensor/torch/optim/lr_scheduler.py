"""Schedules of the learning rate, in PyTorch's classes."""
