"""Training: one readable loop. Knows arrays, never SQL.

`task` is the contract of an objective and its data, `language` the built-in one. `settings`,
`schedule` and `preset` are free of torch.
"""
