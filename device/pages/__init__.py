"""The page line: one child process per source in use. Knows no SOAP."""
