"""The peers on a CUDA device: each loads one ONNX file and answers a batch that lies on the device.

A runner has: __call__(float32 array) -> answers, for the comparison; step(transfers), which only enqueues one batch, from pinned
uint8 images and back to pinned scores when `transfers`; and sync(). Two slots take turns, so that the copies of one batch
overlap the work of the other, as the engine does beside them.

FOLDRUN_PEERS_DEVICE=cpu rehearses all of it without a GPU: no graphs, no streams, figures that mean nothing.
"""

import contextlib
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
from engines import Engine, Unsupported, answers_to_few, input_shape, sequential_from  # noqa: E402, F401

DEVICE = os.environ.get("FOLDRUN_PEERS_DEVICE", "cuda")


def torch_kind(precision):
    import torch

    return {"f32": torch.float32, "tf32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[precision]


def need_cuda():
    import torch

    if DEVICE == "cuda" and not torch.cuda.is_available():
        raise Unsupported("torch finds no CUDA device")
    return torch


class Slot:
    """Static buffers of one batch: pinned pixels, the model's input, its answers, pinned scores; and its stream."""

    def __init__(self, torch, shape, kind, channels_last):
        on_gpu = DEVICE == "cuda"
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.stream = torch.cuda.Stream() if on_gpu else None
        self.pixels = torch.randint(0, 256, shape, dtype=torch.uint8).contiguous(memory_format=layout)
        if on_gpu:
            self.pixels = self.pixels.pin_memory()
        self.bytes = torch.empty_like(self.pixels, device=DEVICE)
        self.input = torch.rand(shape, device=DEVICE).to(kind).contiguous(memory_format=layout)
        self.answer = self.answers = self.scores = self.graph = None

    def on_stream(self, torch):
        return torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext()


class TorchRunner:
    """A function input -> answers on torch tensors for each of two slots; captured as CUDA graphs when it may be. make() gives one:
    the slots overlap, and must not write to each other's memory."""

    def __init__(self, torch, make, shape, kind, graphs, channels_last=True):
        self.torch, self.kind, self.turn = torch, kind, 0
        self.slots = [Slot(torch, shape, kind, channels_last) for _ in range(2)]
        for slot in self.slots:
            with torch.inference_mode(), slot.on_stream(torch):
                slot.answer = make()
                for _ in range(3):
                    slot.answers = slot.answer(slot.input)
                self.sync()
                if graphs and DEVICE == "cuda":
                    slot.graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(slot.graph, stream=slot.stream):
                        slot.answers = slot.answer(slot.input)
                slot.scores = torch.empty(slot.answers.shape, dtype=torch.float32)
                if DEVICE == "cuda":
                    slot.scores = slot.scores.pin_memory()
        self.sync()

    def sync(self):
        if DEVICE == "cuda":
            self.torch.cuda.synchronize()

    def run(self, slot):
        if slot.graph:
            slot.graph.replay()
        else:
            slot.answers = slot.answer(slot.input)

    def step(self, transfers):
        slot = self.slots[self.turn % 2]
        self.turn += 1
        with self.torch.inference_mode(), slot.on_stream(self.torch):
            if transfers:
                slot.bytes.copy_(slot.pixels, non_blocking=True)
                slot.input.copy_(slot.bytes)
                slot.input.mul_(1.0 / 255.0)
            self.run(slot)
            if transfers:
                slot.scores.copy_(slot.answers, non_blocking=True)

    def __call__(self, x):
        slot = self.slots[0]
        with self.torch.inference_mode(), slot.on_stream(self.torch):
            slot.input.copy_(self.torch.from_numpy(x))
            self.run(slot)
            self.sync()
            return slot.answers.float().cpu().numpy()


class TorchEager(Engine):
    """torch.nn, channels last, cuDNN's own search, one CUDA graph a batch."""

    name = "torch-graphs"
    precisions = ("f32", "tf32", "f16", "bf16")
    compiled = False

    def version(self):
        import torch

        return f"{torch.__version__}, cuDNN {torch.backends.cudnn.version()}"

    def load(self, onnx_path, precision, threads, batch):
        torch = need_cuda()
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        kind = torch_kind(precision)
        model = sequential_from(onnx_path).eval().to(DEVICE, kind).to(memory_format=torch.channels_last)
        if self.compiled:
            model = torch.compile(model, mode="max-autotune-no-cudagraphs", dynamic=False)
        return TorchRunner(torch, lambda: model, input_shape(onnx_path, batch), kind, graphs=True)


class TorchCompile(TorchEager):
    """torch.compile with max-autotune; captured as a CUDA graph here, like the eager one."""

    name = "torch-compile"
    compiled = True


class OnnxRuntimeCuda(Engine):
    """The CUDA provider with input and output bound on the device. The file's numbers stay f32; tf32 as the provider allows it."""

    name = "onnxruntime-cuda"
    precisions = ("f32", "tf32", "f16")

    def version(self):
        import onnxruntime

        return onnxruntime.__version__

    def load(self, onnx_path, precision, threads, batch):
        import onnxruntime as ort

        torch = need_cuda()
        provider = "CUDAExecutionProvider" if DEVICE == "cuda" else "CPUExecutionProvider"
        if provider not in ort.get_available_providers():
            raise Unsupported("this ONNX Runtime has no CUDA provider")
        path = halves(onnx_path) if precision == "f16" else onnx_path
        options = {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": int(precision == "tf32"), "cudnn_conv1d_pad_to_nc1d": 1}
        session = ort.InferenceSession(path, providers=[(provider, options if DEVICE == "cuda" else {})])
        kind = torch_kind(precision)
        number = np.float16 if precision == "f16" else np.float32
        first, last = session.get_inputs()[0].name, session.get_outputs()[0]

        def make():
            answers = torch.empty((batch, last.shape[1]), dtype=kind, device=DEVICE)

            def answer(x):
                torch.cuda.current_stream().synchronize() if DEVICE == "cuda" else None
                binding = session.io_binding()
                binding.bind_input(first, DEVICE, 0, number, tuple(x.shape), x.data_ptr())
                binding.bind_output(last.name, DEVICE, 0, number, tuple(answers.shape), answers.data_ptr())
                session.run_with_iobinding(binding)
                return answers

            return answer

        return TorchRunner(torch, make, input_shape(onnx_path, batch), kind, graphs=False, channels_last=False)


class TensorRt(Engine):
    """An engine built for the batch, tactics timed by its builder, one CUDA graph."""

    name = "tensorrt"
    precisions = ("f32", "tf32", "f16", "bf16")

    def version(self):
        import tensorrt

        return tensorrt.__version__

    def load(self, onnx_path, precision, threads, batch):
        import tensorrt as trt

        torch = need_cuda()
        if DEVICE != "cuda":
            raise Unsupported("TensorRT has no CPU to rehearse on")
        flag = {"f16": "FP16", "bf16": "BF16", "tf32": "TF32"}.get(precision)
        if flag and not hasattr(trt.BuilderFlag, flag) and precision != "f16":
            raise Unsupported(f"TensorRT {trt.__version__} takes {precision} from strongly typed files alone")
        path = halves(onnx_path) if flag and not hasattr(trt.BuilderFlag, flag) else onnx_path
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        network = builder.create_network(0)
        parser = trt.OnnxParser(network, logger)
        with open(path, "rb") as file:
            if not parser.parse(file.read()):
                raise Unsupported(str(parser.get_error(0)))
        config = builder.create_builder_config()
        if hasattr(trt.BuilderFlag, "TF32"):
            config.clear_flag(trt.BuilderFlag.TF32)
        if flag and hasattr(trt.BuilderFlag, flag):
            config.set_flag(getattr(trt.BuilderFlag, flag))
        profile = builder.create_optimization_profile()
        shape = tuple(input_shape(onnx_path, batch))
        profile.set_shape(network.get_input(0).name, shape, shape, shape)
        config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        first, last = names[0], names[-1]
        kinds = {trt.float32: torch.float32, trt.float16: torch.float16, trt.bfloat16: torch.bfloat16}
        kind, kind_out = kinds[engine.get_tensor_dtype(first)], kinds[engine.get_tensor_dtype(last)]

        def make():
            context = engine.create_execution_context()
            context.set_input_shape(first, shape)
            answers = torch.empty(tuple(context.get_tensor_shape(last)), dtype=kind_out, device=DEVICE)

            def answer(x):
                context.set_tensor_address(first, x.data_ptr())
                context.set_tensor_address(last, answers.data_ptr())
                context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
                return answers

            return answer

        return TorchRunner(torch, make, shape, kind, graphs=True, channels_last=False)


def halves(onnx_path):
    """The same file with all floats as halves."""
    path = onnx_path[: -len(".onnx")] + ".f16.onnx"
    if not os.path.exists(path):
        import onnx
        from onnx import TensorProto, numpy_helper

        model = onnx.load(onnx_path)
        for tensor in list(model.graph.initializer):
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
        for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                value.type.tensor_type.elem_type = TensorProto.FLOAT16
        onnx.save(model, path + ".part")
        os.replace(path + ".part", path)
    return path


ALL = [TorchEager(), TorchCompile(), OnnxRuntimeCuda(), TensorRt()]
