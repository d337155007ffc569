"""The books: the registry as versioned data, and the orders that tell the node of it."""
