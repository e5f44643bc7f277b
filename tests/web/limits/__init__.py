"""How much one client may have: what each limit counts, and how who is over it is told."""
