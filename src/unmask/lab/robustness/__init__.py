"""How much a detector loses when pictures were compressed, resized or otherwise degraded."""
