"""The command line: reads flags, calls a job, prints. The only package that prints or exits."""
