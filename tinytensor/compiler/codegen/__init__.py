"""Code generation: a program as NumPy source, and what each of its lines costs."""
