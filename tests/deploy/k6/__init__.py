"""k6 scripts in Node: the stand-ins, a bad service, and what of a script has run."""
