"""What to decide: pure functions from state, event and facts to a decision."""
