# Stand-in: the name is all that is read.
