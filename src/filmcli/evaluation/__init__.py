"""How good is it: known truth, plain measures, and rivals to stand beside.

`clip` draws a short film whose picture is known at every instant; `metrics` says how far two
pictures are apart; `rivals` makes in-between pictures the old ways. Pictures here are uint8
arrays (H, W, 3) in RGB, because that is what a viewer sees; phases are positions in [0, 1]
between a left and a right picture.
"""
