"""The commands of the program: their flags, and what they start."""
