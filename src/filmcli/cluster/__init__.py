"""Work for many machines, through Ray: its nodes, the workers on them, and who does what next.

What the work is, this room does not know: a `Craft` travels to the workers and is done there, an
`Order` on this side hears what they say. The words are those of a workshop: the crew is all workers
that one command has, each of them a Ray actor at its place, which is a GPU or a group of cores.
"""
