"""The network (stem + conditions + backbone + head), and the bundle that stores it.

`manifest` and `conditions` are free of torch, so that an exported bundle can be sampled without it.
"""
