"""The job on other people's engines: one graph of steps, written for Open Job Description or run by Ray."""
