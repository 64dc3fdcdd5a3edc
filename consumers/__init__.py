"""The consumers: they read the log and fold it into the ledger.

archive.py copies a Kafka topic into log.db; follow.py reads log.db and folds; every projection is
one module. The registry below is the whole of it.
"""
