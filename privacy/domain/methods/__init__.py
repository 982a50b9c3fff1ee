"""The kinds of questions, one file each: from a checked question to vectors, and from noisy vectors to an answer."""
