"""What can be said of generated music: against the corpus, and whether it is copied from it."""
