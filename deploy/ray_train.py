"""Train on a Ray cluster: every worker is one process of DDP.

    python deploy/ray_train.py 2 --data $PWD/manifest.csv --out $PWD/runs/one devices=2

The first number is how many workers, the rest is what `unmask train` takes. RAY_GPU=0 trains on
CPUs (with device=cpu).
"""

from __future__ import annotations

import os
import sys

from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer


def work(words: list[str]) -> None:
    """Run in each worker."""
    # Lightning takes ranks and addresses from torchrun's variables; Ray sets all but this one.
    os.environ.setdefault("TORCHELASTIC_RUN_ID", "ray")
    from unmask.cli import app

    app(["train", *words], standalone_mode=False)


if __name__ == "__main__":
    TorchTrainer(
        work,
        train_loop_config=sys.argv[2:],
        scaling_config=ScalingConfig(
            num_workers=int(sys.argv[1]), use_gpu=os.environ.get("RAY_GPU", "1") == "1"
        ),
    ).fit()
