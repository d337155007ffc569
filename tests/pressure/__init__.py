"""The switch under pressure: ill banks and floods, with honest payments beside; run by hand and by `make`."""
