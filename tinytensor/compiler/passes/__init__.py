"""What becomes of a program before it is written: rewrites of its calls, and where its values are stored."""
