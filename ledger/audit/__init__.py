"""The API server's audit log: what is kept of an event, and the ways it comes in."""
