"""Both remote APIs, imitated. Nothing here is shared with the connectors: an imitation that shares code with
what it tests proves nothing."""
