"""Training: a hidden fault that a person finds and mends, people who call, a score and a debrief."""
