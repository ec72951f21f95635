"""The sandbox: simulates both vendors' APIs.

It shares no code with the connectors, which are tested against it.
"""
