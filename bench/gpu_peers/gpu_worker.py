"""One peer on the GPU in a process of its own, told what to do by JSON lines.

  {"load": {...}}                          -> {"ready": true, "version": ..., "open_ms": ..., "first_ms": ...} or {"refused": "why"}
  {"check": PATH}                          -> saves the answers to the checked images, {"saved": PATH}
  {"time": SECONDS, "transfers": true}     -> {"images_per_s": ..., "runs": n}
"""

import json
import os
import sys
import time
import warnings

import numpy as np

import gpu_engines

warnings.filterwarnings("ignore")


def load(job):
    engine = next(e for e in gpu_engines.ALL if e.name == job["engine"])
    if job["precision"] not in engine.precisions:
        raise gpu_engines.Unsupported(f"no {job['precision']} here")
    version = engine.version()  # the package is imported by then, which is no part of opening
    begin = time.perf_counter()
    runner = engine.load(job["onnx"], job["precision"], 1, job["batch"])
    opened = time.perf_counter()
    runner.step(True)
    runner.sync()
    return {"ready": True, "version": version, "open_ms": 1e3 * (opened - begin), "first_ms": 1e3 * (time.perf_counter() - opened)}, runner


def rate(runner, seconds, transfers):
    """Inputs a second over a stretch that is long enough: batches are enqueued without waiting for each other."""
    runs = 4
    while True:
        runner.sync()
        begin = time.perf_counter()
        for _ in range(runs):
            runner.step(transfers)
        runner.sync()
        spent = time.perf_counter() - begin
        if spent >= seconds or runs > 1 << 20:
            return runs / spent, runs
        runs = max(runs * 2, int(runs * seconds / max(spent, 1e-6) * 1.1))


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines print; only our lines may reach the caller
    runner = job = data = None
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            if "load" in ask:
                runner, job = None, ask["load"]  # the old one's memory goes first
                data = np.load(job["inputs"])
                answer, runner = load(job)
            elif "check" in ask:
                np.save(ask["check"], gpu_engines.answers_to_few(runner, data, job["batch"]))
                answer = {"saved": ask["check"]}
            else:
                inputs, runs = rate(runner, ask["time"], ask.get("transfers", False))
                answer = {"images_per_s": inputs * job["batch"] * job["fold"], "runs": runs}
        except Exception as error:  # an engine that cannot do it is a row with its reason
            answer = {"refused": (f"{type(error).__name__}: {error}".splitlines() or ["failed"])[0][:200]}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
