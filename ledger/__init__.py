"""Rollout Ledger: the audit trail of stateful workloads on Kubernetes."""

__version__ = "0.5.0"
