"""The engine: bytes in, logits out; hostile files kill a decoding process and nothing else."""
