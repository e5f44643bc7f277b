"""The browser client's pure parts in Node, its types, its package."""
