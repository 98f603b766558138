"""Looking into a network: `plot` draws what others have measured."""
