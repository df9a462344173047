"""One peer in a process of its own, told what to do by JSON lines: idle threads of one engine must not disturb another.

  {"load": {...}}   -> {"ready": true, "version": ...} or {"refused": "why"}
  {"check": PATH}   -> saves the answers for the checked images, {"saved": PATH}
  {"time": SECONDS} -> {"images_per_s": best, "runs": n}
"""

import json
import os
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def load(job):
    import engines

    engine = next(e for e in engines.ALL if e.name == job["engine"])
    if job["precision"] not in engine.precisions:
        raise engines.Unsupported(f"no {job['precision']} here")
    data = np.load(job["inputs"])
    path = job["onnx"]
    if job["precision"] == "int8":
        path = engines.quantized(path, data[:32])
    batch = job["batch"] if engine.whole_batches else min(job["batch"], 64)
    inputs = np.ascontiguousarray(np.resize(data, (batch,) + data.shape[1:]))
    split = engines.Split(engine, path, job["precision"], job["instances"], job["threads"], batch)
    split(inputs)
    return engine, split, inputs, data


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines print; only our lines may reach the caller
    state = None
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            if "load" in ask:
                job = ask["load"]
                engine, split, inputs, data = load(job)
                state = (split, inputs, data, job["fold"])
                answer = {"ready": True, "version": engine.version()}
            elif "check" in ask:
                split, inputs, data, _ = state
                rows = np.concatenate([np.array(split(np.ascontiguousarray(np.resize(data[i : i + 1], inputs.shape))))[:1] for i in range(4)])
                np.save(ask["check"], rows)
                answer = {"saved": ask["check"]}
            else:
                split, inputs, _, fold = state
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
