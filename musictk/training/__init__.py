"""Training: one readable loop. Knows arrays, never SQL.

`settings`, `schedule`, `preset` and `auto` are free of torch.
"""
