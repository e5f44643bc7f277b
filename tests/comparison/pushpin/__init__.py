"""Pushpin: a proxy that holds streams open for an origin, in C++ and Rust. In memory, and at most once.

It needs `zurl`, a program of its own, to ask the origin; here that answers each stream with the channel to hold it on.
"""
