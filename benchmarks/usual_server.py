"""The usual server, to measure against: FastAPI and PyTorch in eager mode, one image a request.

    python benchmarks/usual_server.py PORT

ResNet-50 at 224 px with one output, as many student projects serve it; its weights are random,
which costs the same time.
"""

from __future__ import annotations

import io
import sys
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
