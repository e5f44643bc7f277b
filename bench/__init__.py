"""`make bench`: the service on both its stacks, beside the usual way of doing it and the fastest hub there is.

Not part of the package. `targets` starts what is measured, `sizes` says with how much, `document` writes
docs/explanation/performance.md.
"""
