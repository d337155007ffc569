"""The first screen: what is wrong, where, why, what was done, what each person does; a process of its own."""
