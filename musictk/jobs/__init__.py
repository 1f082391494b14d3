"""Each user command as one function: catalog in, files and rows out. Prints nothing.

What the command line can do, a notebook can do:

    from musictk.jobs.train import Request, run
"""
