"""What is wrong, where and why: signals, detectors, a localiser, hypotheses, incidents, actions, words."""
