"""The shots of the built-in film, one a file. Each draws itself at any time of its own, in seconds.

Everything in them moves by a smooth law of time (straight, round, swinging, falling, growing), so
the picture between any two pictures is known. Coordinates: see `scenery`. A shot is an object
because its textures are painted once and then moved.
"""
