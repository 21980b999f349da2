"""A WSD scan device in software: all that another machine can see or talk to."""
