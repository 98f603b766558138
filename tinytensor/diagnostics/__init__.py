"""Looking into a network: `health` measures how it is doing, `plot` draws what others have measured."""
