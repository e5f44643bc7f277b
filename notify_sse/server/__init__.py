"""One process and its workers: the only room that knows every part."""
