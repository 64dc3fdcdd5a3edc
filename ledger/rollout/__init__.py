"""What a StatefulSet's rollout is doing, judged from its objects alone; pure.

`sets`, `pods` and `refusals` say what counts in an object; `verdict` judges, `trap` knows
kubernetes#67250, `kubectl` prints what kubectl would. The fold, `status` and `status --as-of` give
the same functions what they have.
"""
