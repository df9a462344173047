"""The peers: each loads one ONNX file and answers a batch of float32 images, N x C x H x W.

Every engine is offered in the ways its users run it for throughput on a CPU; `modes` lists them, and the caller keeps
the fastest one with the fastest batch. A mode is (instances, threads of each): one instance with all threads, or one
instance a core on its own share of the batch. An instance is a callable array -> array.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from comparison import CHECKED


class Unsupported(Exception):
    pass


class Engine:
    name = ""
    precisions = ("f32",)
    whole_batches = True  # False: one image at a time is all it takes

    def version(self):
        raise NotImplementedError

    def load(self, onnx_path, precision, threads, batch):
        """One instance: a callable from a batch to answers."""
        raise NotImplementedError


class OnnxRuntime(Engine):
    name = "onnxruntime"
    precisions = ("f32", "int8")

    def version(self):
        import onnxruntime

        return onnxruntime.__version__

    def load(self, onnx_path, precision, threads, batch):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = ort.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: x})[0]


class OpenVino(Engine):
    name = "openvino"
    precisions = ("f32", "bf16", "int8")

    def version(self):
        import openvino

        return openvino.__version__.split("-")[0]

    def load(self, onnx_path, precision, threads, batch):
        import openvino as ov

        ov.Tensor(np.zeros(1, np.float32))  # where two threads are the first to give it an array, they wait for each other for ever
        core = ov.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Unsupported("no bf16 on this CPU")
        model = core.read_model(onnx_path)
        shape = model.inputs[0].partial_shape
        shape[0] = batch
        model.reshape(shape)
        config = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": {"f32": "f32", "bf16": "bf16", "int8": "f32"}[precision],
        }
        request = core.compile_model(model, "CPU", config).create_infer_request()

        def run(x):
            request.infer([x], share_inputs=True, share_outputs=True)
            return request.get_output_tensor(0).data

        return run


class Ncnn(Engine):
    """Converted by pnnx. One image a call: ncnn has no batch; its Winograd and packed layouts are on by default."""

    name = "ncnn"
    precisions = ("f32", "bf16")
    whole_batches = False
    vulkan = False

    def version(self):
        import ncnn

        return ncnn.__version__

    def load(self, onnx_path, precision, threads, batch):
        import ncnn

        param, weights = self.convert(onnx_path)
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = self.vulkan
        if self.vulkan:
            if ncnn.get_gpu_count() < 1:
                raise Unsupported("ncnn finds no Vulkan device")
            net.set_vulkan_device(0)
        net.opt.use_bf16_storage = precision == "bf16"
        net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = precision == "f16"
        net.load_param(param)
        net.load_model(weights)
        first, last = net.input_names()[0], net.output_names()[0]

        def answer(given):
            extractor = net.create_extractor()
            extractor.input(first, given)
            return extractor.extract(last)[1]

        def run(x):
            if not self.whole_batches:
                return np.stack([np.array(answer(ncnn.Mat(image))).reshape(-1) for image in x])
            rows = answer(ncnn.Mat(x, 0))
            return np.stack([np.array(rows.batch(i)).reshape(-1) for i in range(len(x))])

        return run

    @staticmethod
    def convert(onnx_path):
        base = onnx_path[: -len(".onnx")]
        param, weights = base + ".ncnn.param", base + ".ncnn.bin"
        if not os.path.exists(param):
            import onnx
            import pnnx

            shape = [d.dim_value or 1 for d in onnx.load(onnx_path).graph.input[0].type.tensor_type.shape.dim]
            tool = shutil.which("pnnx") or os.path.join(os.path.dirname(sys.executable), "pnnx")
            if not os.path.exists(tool):
                tool = pnnx.EXEC_PATH
            text = "inputshape=[%s]" % ",".join(str(d) for d in shape)
            done = subprocess.run([tool, os.path.basename(onnx_path), text], cwd=os.path.dirname(onnx_path), capture_output=True, text=True)
            if not os.path.exists(param):
                raise Unsupported("pnnx: " + (done.stderr or done.stdout).strip().splitlines()[-1])
        return param, weights


class NcnnVulkan(Ncnn):
    """ncnn on the first Vulkan device, which its own loader finds; a batch is one call."""

    name = "ncnn-vulkan"
    precisions = ("f32", "f16")
    whole_batches = True
    vulkan = True


class Torch(Engine):
    """The same layers in torch.nn, weights from the ONNX file, channels last, frozen."""

    name = "pytorch"
    precisions = ("f32", "bf16")

    def version(self):
        import torch

        return torch.__version__

    def load(self, onnx_path, precision, threads, batch):
        import torch

        torch.set_num_threads(threads)
        model = sequential_from(onnx_path).eval().to(memory_format=torch.channels_last)
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        model = model.to(kind)
        with torch.inference_mode():
            example = torch.zeros(input_shape(onnx_path, batch), dtype=kind).contiguous(memory_format=torch.channels_last)
            frozen = torch.jit.freeze(torch.jit.trace(model, example))
            for _ in range(3):
                frozen(example)

        def run(x):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                given = torch.from_numpy(x).to(kind).contiguous(memory_format=torch.channels_last)
                return frozen(given).float().numpy()

        return run


def input_shape(onnx_path, batch):
    import onnx

    dims = onnx.load(onnx_path).graph.input[0].type.tensor_type.shape.dim
    return [batch] + [d.dim_value for d in dims[1:]]


def sequential_from(onnx_path):
    """A torch.nn.Sequential of the chain of layers in an ONNX file (what the small CNNs are)."""
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(onnx_path).graph
    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    layers = []
    for node in graph.node:
        a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
        if node.op_type == "Conv":
            w = weights[node.input[1]]
            pads = a.get("pads", [0, 0, 0, 0])
            layer = torch.nn.Conv2d(w.shape[1] * a.get("group", 1), w.shape[0], tuple(w.shape[2:]), stride=a.get("strides", [1, 1]),
                                    padding=tuple(pads[:2]), groups=a.get("group", 1), bias=len(node.input) > 2)
            layer.weight.data = w
            if len(node.input) > 2:
                layer.bias.data = weights[node.input[2]]
        elif node.op_type == "Gemm":
            w = weights[node.input[1]]
            layer = torch.nn.Linear(w.shape[1], w.shape[0])
            layer.weight.data, layer.bias.data = w, weights[node.input[2]]
        elif node.op_type == "MaxPool":
            layer = torch.nn.MaxPool2d(tuple(a["kernel_shape"]), stride=tuple(a.get("strides", [1, 1])))
        elif node.op_type == "Relu":
            layer = torch.nn.ReLU()
        elif node.op_type == "Flatten":
            layer = torch.nn.Flatten()
        else:
            raise Unsupported(f"{node.op_type} is no layer of a chain")
        layers.append(layer)
    return torch.nn.Sequential(*layers)


def quantized(onnx_path, images):
    """A QDQ int8 copy of the file, calibrated on the images, first and last layer with weights left float."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    path = onnx_path[: -len(".onnx")] + ".int8.onnx"
    if os.path.exists(path):
        return path
    graph = onnx.load(onnx_path).graph
    weighted = [n.name for n in graph.node if n.op_type in ("Conv", "Gemm")]

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter([{graph.input[0].name: images[i : i + 1]} for i in range(len(images))])

        def get_next(self):
            return next(self.rows, None)

    with tempfile.NamedTemporaryFile(suffix=".onnx", dir=os.path.dirname(onnx_path)) as temporary:
        onnx.save(onnx.load(onnx_path), temporary.name)
        quantize_static(temporary.name, path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8, nodes_to_exclude=[weighted[0], weighted[-1]])
    return path


class Split:
    """One instance with all threads, or one a core, each on its share of the batch."""

    def __init__(self, engine, onnx_path, precision, instances, threads, batch):
        self.share = -(-batch // instances)
        self.runs = [engine.load(onnx_path, precision, threads, self.share) for _ in range(instances)]
        self.pool = ThreadPoolExecutor(instances) if instances > 1 else None

    def __call__(self, x):
        if not self.pool:
            return self.runs[0](x)
        parts = [x[i * self.share : (i + 1) * self.share] for i in range(len(self.runs))]
        return np.concatenate(list(self.pool.map(lambda job: np.array(job[0](job[1])), zip(self.runs, parts))))


def answers_to_few(run, inputs, batch):
    """An input a row: the checked ones again and again, in batches as they are timed, so that every place of a batch is judged."""
    rows = []
    for first in range(0, max(CHECKED, batch), batch):
        rows.append(np.array(run(np.ascontiguousarray(inputs[(first + np.arange(batch)) % CHECKED]))).reshape(batch, -1))
    return np.concatenate(rows)


ALL = [OnnxRuntime(), OpenVino(), Ncnn(), NcnnVulkan(), Torch()]
