"""nginx with the nchan module: a hub in C. In memory, and each message delivered at most once.

It checks no token here and stores nothing; it shows how far below a hub that promises nothing can go.
"""
