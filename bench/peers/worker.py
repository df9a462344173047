"""One peer in a process of its own, told what to do by JSON lines: one engine's idle threads and memory must not disturb another.

  {"load": {...}}   -> {"ready": true, "version": ..., "images": of a run, "open_ms": ..., "first_ms": ...} or {"refused": "why"}
  {"check": PATH}   -> saves the answers to the checked images, {"saved": PATH}
  {"time": SECONDS} -> {"images_per_s": at the median run, "runs": n}
"""

import json
import os
import sys
import time
import warnings

import numpy as np
import onnx  # noqa: F401 - what reads the file; no part of opening either

import engines

warnings.filterwarnings("ignore")


def load(job):
    engine = next(e for e in engines.ALL if e.name == job["engine"])
    if job["precision"] not in engine.precisions:
        raise engines.Unsupported(f"no {job['precision']} here")
    data = np.load(job["inputs"])
    path = job["onnx"]
    if job["precision"] == "int8":
        path = engines.quantized(path, data[:32])
    batch = job["batch"] if engine.whole_batches else min(job["batch"], 64)
    inputs = np.ascontiguousarray(np.resize(data, (batch,) + data.shape[1:]))
    version = engine.version()  # the package is imported by then, which is no part of opening
    begin = time.perf_counter()
    split = engines.Split(engine, path, job["precision"], job["instances"], job["threads"], batch)
    opened = time.perf_counter()
    split(inputs)
    told = {"ready": True, "version": version, "images": len(inputs) * job["fold"], "open_ms": 1e3 * (opened - begin),
            "first_ms": 1e3 * (time.perf_counter() - opened)}
    return told, split, inputs, data


def warm_up(split, inputs, seconds):
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        split(inputs)


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines print; only our lines may reach the caller
    state = None
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            if "load" in ask:
                job = ask["load"]
                state = split = inputs = data = None  # the old one's memory goes first
                answer, split, inputs, data = load(job)
                state = (split, inputs, data, job["fold"])
            elif "check" in ask:
                split, inputs, data, _ = state
                np.save(ask["check"], engines.answers_to_few(split, data, len(inputs)))
                answer = {"saved": ask["check"]}
            else:
                split, inputs, _, fold = state
                warm_up(split, inputs, 0.1)
                begin, times = time.perf_counter(), []
                while time.perf_counter() - begin < ask["time"] or len(times) < 2:
                    t = time.perf_counter()
                    split(inputs)
                    times.append(time.perf_counter() - t)
                answer = {"images_per_s": len(inputs) * fold / float(np.median(times)), "runs": len(times)}
        except Exception as error:  # an engine that cannot do it is a row with its reason
            answer = {"refused": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
