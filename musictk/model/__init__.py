"""The network: stem + conditions + body + head, and the bundle it is kept in.

`manifest` and `conditions` are free of torch, so that an exported bundle can be sampled without it.
"""
