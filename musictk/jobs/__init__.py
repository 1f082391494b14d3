"""Each user command as one function: catalog in, files and rows out. Prints nothing.

A notebook can call the same functions:

    from musictk.jobs.merge import merge
    from musictk.jobs.sources import Source
    from musictk.jobs.train import run

    run(catalog, workspace, merge([Source("notebook", {"arch": "gpt"})]), listener)
"""
