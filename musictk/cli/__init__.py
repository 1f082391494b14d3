"""The command line: reads flags, calls a job, prints. The only room that prints or exits."""
