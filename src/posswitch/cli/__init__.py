"""The command line: wires everything, once."""
