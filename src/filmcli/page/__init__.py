"""A page to look at: one HTML file that shows two films in step, from disk, without a server.

`files/` holds what the page is made of, to be read as it is; `films` makes films that browsers
play, `marks` says what is known of every frame, `pair` puts them on a page, `sheet` fills it.
"""
