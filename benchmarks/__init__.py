"""Side-by-side measurements with other frameworks. Nothing here is imported by the package."""
