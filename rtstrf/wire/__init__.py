"""The wire: rates, hello, heartbeats and events over ZeroMQ, and the control channel (docs/protocol.md).

Start reading at `message.py` (what is on the wire), then `server.py` and `client.py`. Importing this package loads no
ZeroMQ; `server` and `client` do.
"""
