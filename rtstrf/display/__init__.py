"""The picture of a running simulator: a window, a terminal and a poster that share data, order and colours.

Reading order: `history` (what was received, by bin), `health` (is it alive, in words), `style` (what it looks like),
`columns` (bins to pixels); then `window` (Qt), `terminal` (rich) and `poster` (a PNG with no screen). The display is a
client of the wire like any other and runs in a process of its own; importing this package loads neither Qt nor ZeroMQ.
"""
