"""Each user command as one function: catalog in, files and rows out. Prints nothing.

`musictk.jobs.project.Project` has them as methods, for scripts and notebooks.
"""
