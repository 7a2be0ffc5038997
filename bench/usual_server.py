"""The usual server, to measure against: FastAPI and PyTorch in eager mode, one image a request.

    python bench/usual_server.py PORT

ResNet-50 at 224 px with one output, as many student projects serve it; its weights are random,
which costs the same time. It takes the number of threads that is the fastest here: beside other
work PyTorch's threads wait for each other, and one alone can be twenty times as fast.
"""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Annotated

import torch
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image
from torchvision import transforms
from torchvision.models import resnet50

torch.manual_seed(0)
model = resnet50(num_classes=1).eval()
prepare = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
app = FastAPI()


@torch.no_grad()
def seconds_with(threads: int) -> float:
    """Return the best time of a few inferences."""
    torch.set_num_threads(threads)
    times = []
    for _ in range(4):
        started = time.perf_counter()
        model(torch.zeros(1, 3, 224, 224))
        times.append(time.perf_counter() - started)
    return min(times)


torch.set_num_threads(min(range(1, (os.cpu_count() or 1) + 1), key=seconds_with))


@app.post("/predict")
async def predict(file: Annotated[UploadFile, File()]) -> dict[str, str | float]:
    """Answer for one picture."""
    image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    with torch.no_grad():
        fake = float(torch.sigmoid(model(prepare(image)[None]))[0, 0])
    verdict = "FAKE" if fake >= 0.5 else "REAL"
    return {"real_prob": 1 - fake, "fake_prob": fake, "verdict": verdict}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
