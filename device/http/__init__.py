"""HTTP for SOAP. Not what a message means."""
