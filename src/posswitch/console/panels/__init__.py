"""The parts of the page; each shows a scene, and changes only what has changed."""
