"""The lectures' exercises, one file a lecture; the script of each lecture runs them. Nothing here runs on its own."""
