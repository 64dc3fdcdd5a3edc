"""`python -m ledger` is `rollout-ledger`."""

from ledger.cli import main

main()
