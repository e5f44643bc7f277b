"""Who asks, and what they may do: tokens, keys, and where a request carries them."""
