"""Evidence for an auditor: the changes of a period, as files."""
