"""foldrun beside its peers on this machine: same ONNX files, same images, same threads, each at its own best batch. On the CPU,
or with --device vulkan:0 on a Vulkan device, where ncnn is the peer.

Answers are compared before anything is timed. Then the engines take turns, round after round, so that the machine's drift
hits all alike; a figure is the median over rounds, its spread the least and the most.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
CPU_PEERS = ["onnxruntime", "openvino", "ncnn", "pytorch"]
VULKAN_PEERS = ["ncnn-vulkan"]
TOLERANCE = {"f32": 2e-3, "f16": 2e-2, "bf16": 6e-2, "int8": 0.5}  # of the largest answer


class Peer:
    processes = {}  # one a peer, for the whole run: imports take longer than measurements
    worker = os.path.join(HERE, "worker.py")

    def __init__(self, name, precision, threads, setup):
        self.name, self.precision, self.threads, self.setup = name, precision, threads, setup
        self.refused, self.version = None, ""

    def process(self):
        if self.name not in Peer.processes:
            Peer.processes[self.name] = subprocess.Popen([sys.executable, self.worker], stdin=subprocess.PIPE,
                                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return Peer.processes[self.name]

    def ask(self, **what):
        process = self.process()
        try:
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:  # it crashed: the next question starts another
            process.wait()
            del Peer.processes[self.name]
            return {"refused": "its process ended"}
        return json.loads(line)

    def start(self, instances, threads, batch):
        answer = self.ask(load=dict(self.setup, engine=self.name, precision=self.precision, instances=instances, threads=threads, batch=batch))
        self.refused = answer.get("refused")
        self.version = answer.get("version", self.version)
        return self.refused is None

    def settle(self, batches, seconds):
        """The fastest of the modes and batches; the process of the winner is left running."""
        modes = [(1, self.threads)] + ([(self.threads, 1)] if self.threads > 1 else [])
        best = (0, None)
        for batch in batches if self.name != "ncnn" else batches[-1:]:
            for instances, threads in modes:
                if batch < instances or not self.start(instances, threads, batch):
                    continue
                rate = self.ask(time=seconds).get("images_per_s", 0)
                best = max(best, (rate, (instances, threads, batch)))
        if best[1] is None:
            return None
        self.start(*best[1])
        return best[1]

    def time(self, seconds):
        return self.ask(time=seconds).get("images_per_s")


class Foldrun:
    name = "foldrun"

    def __init__(self, command, model, precision, place, fold):
        self.command, self.model, self.precision, self.place, self.fold = command, model, precision, place, fold
        self.batch, self.schedule = None, ""

    def bench(self, batch, seconds):
        done = subprocess.run([self.command, "bench", self.model, "--fold", str(self.fold), "--batch", str(batch), "--precision", self.precision, *self.place,
                               "--input-dtype", "f32", "--duration", str(seconds), "--warmup", "0.1", "--json"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"foldrun: {done.stderr.strip()}")
        row = json.loads(done.stdout)["results"][0]
        self.schedule = row.get("schedule", "")
        return row["images_per_s"]["median"]

    def settle(self, batches, seconds):
        self.batch = max(batches, key=lambda batch: self.bench(batch, seconds))
        return (1, 0, self.batch)

    def time(self, seconds):
        return self.bench(self.batch, seconds)


def images_for(command, model, fold, folder):
    """Seeded uint8 images as .npy for foldrun, and the same folded and scaled as the f32 input of the ONNX file."""
    shown = json.loads(subprocess.run([command, "show", model, "--json"], capture_output=True, text=True, check=True).stdout)
    channels, height, width = shown["channels"], shown["height"], shown["width"]
    pixels = np.random.default_rng(5).integers(0, 256, (64 * fold, height, width, channels), dtype=np.uint8)
    scaled = pixels.astype(np.float32) / 255.0
    folded = scaled.transpose(0, 3, 1, 2).reshape(64, fold * channels, height, width)
    np.save(os.path.join(folder, "pixels.npy"), pixels)
    np.save(os.path.join(folder, "inputs.npy"), np.ascontiguousarray(folded))


def wrong(answers, reference, precision):
    reference = reference.reshape(answers.shape)
    far = float(np.max(np.abs(answers - reference)) / max(float(np.max(np.abs(reference))), 1e-6))
    return far if far > TOLERANCE[precision] else None


def compare(command, model, fold, precision, options, folder):
    onnx = os.path.join(folder, f"{model}_f{fold}.onnx")
    subprocess.run([command, "export", model, "--fold", str(fold), "-o", onnx], check=True, capture_output=True)
    images_for(command, model, fold, folder)
    answers = os.path.join(folder, "answers.npy")
    subprocess.run([command, "run", onnx, "--input", os.path.join(folder, "pixels.npy"), "--format", "npy", "-o", answers, "--precision", precision],
                   check=True, capture_output=True)
    reference = np.load(answers).reshape(64, -1)[:4]
    setup = {"onnx": onnx, "inputs": os.path.join(folder, "inputs.npy"), "fold": fold}
    place = ["--device", options.device] if options.device else ["--threads", str(options.threads)]
    engines = [Foldrun(command, model, precision, place, fold)] + [Peer(name, precision, options.threads, setup) for name in options.peers]
    rows, running = [], []
    for engine in engines:
        batches = [max(1, b // fold) for b in options.batches] if isinstance(engine, Peer) else options.batches
        mode = engine.settle(batches, options.seconds / 2)
        row = {"engine": engine.name, "model": model, "fold": fold, "precision": precision, "mode": mode, "rates": []}
        rows.append(row)
        if mode is None:
            row["refused"] = engine.refused
            continue
        if isinstance(engine, Peer):
            path = os.path.join(folder, "peer.npy")
            saved = engine.ask(check=path)
            far = wrong(np.load(path), reference, precision) if "saved" in saved else None
            if "saved" not in saved or far is not None:
                row["refused"] = saved.get("refused") or f"answers differ by {far:.2g} of the largest"
                continue
        running.append((engine, row))
    for _ in range(options.rounds):
        for engine, row in running:
            time.sleep(0.05)
            row["rates"].append(engine.time(options.seconds))
    for engine, row in running:
        row["version"] = getattr(engine, "version", "")
        row["images_per_s"] = {"median": float(np.median(row["rates"])), "least": min(row["rates"]), "most": max(row["rates"])}
        row["schedule"] = getattr(engine, "schedule", "")
    return rows


def cell(row):
    if "images_per_s" not in row:
        return "-"
    r = row["images_per_s"]
    return f"{r['median']:,.0f} ±{100 * (r['most'] - r['least']) / 2 / r['median']:.0f}%"


def table(results, peers_asked):
    lines = ["| model | f | precision | foldrun | " + " | ".join(peers_asked) + " | foldrun / best peer |", "|---|---|---|---|" + "---|" * (len(peers_asked) + 1)]
    for key in dict.fromkeys((r["model"], r["fold"], r["precision"]) for r in results):
        rows = {r["engine"]: r for r in results if (r["model"], r["fold"], r["precision"]) == key}
        peers = [rows[p] for p in peers_asked if p in rows and "images_per_s" in rows[p]]
        ratio = "-"
        if peers and "images_per_s" in rows["foldrun"]:
            best = max(peers, key=lambda r: r["images_per_s"]["median"])
            ratio = f"{rows['foldrun']['images_per_s']['median'] / best['images_per_s']['median']:.2f} ({best['engine']})"
        lines.append("| " + " | ".join([key[0], str(key[1]), key[2], cell(rows["foldrun"])] + [cell(rows.get(p, {})) for p in peers_asked] + [ratio]) + " |")
    return "\n".join(lines)


def machine():
    name = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return {"cpu": name, "cores": os.cpu_count(), "system": platform.platform()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--foldrun", default=os.path.join(HERE, "..", "..", "build", "release", "foldrun"))
    parser.add_argument("--models", default="v1,v2,v3,v4,v5,v6,n1,n2,n3,n4")
    parser.add_argument("--fold", default="1")
    parser.add_argument("--precision", default="f32", help="f32,bf16,f16,int8")
    parser.add_argument("--batches", default="64,256,1024", help="images")
    parser.add_argument("--device", help="of foldrun, where it is not the CPU: vulkan:0")
    parser.add_argument("--peers", help="default: %s; on a Vulkan device %s" % (",".join(CPU_PEERS), ",".join(VULKAN_PEERS)))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("-o", "--output", help="rows as JSON")
    options = parser.parse_args()
    options.batches = [int(b) for b in options.batches.split(",")]
    if options.peers is None:
        options.peers = VULKAN_PEERS if (options.device or "").startswith("vulkan") else CPU_PEERS
    else:
        options.peers = [p for p in options.peers.split(",") if p]
    results = []
    for precision in options.precision.split(","):
        for model in options.models.split(","):
            for fold in (int(f) for f in options.fold.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    rows = compare(options.foldrun, model, fold, precision, options, folder)
                results += rows
                print("  ".join(f"{r['engine']} {cell(r)}" for r in rows), f"[{model} f={fold} {precision}]", file=sys.stderr, flush=True)
                for r in rows:
                    if r.get("refused"):
                        print(f"    {r['engine']}: {r['refused']}", file=sys.stderr)
                if options.output:
                    with open(options.output + ".part", "w") as file:
                        json.dump({"machine": machine(), "command": sys.argv, "results": results}, file, indent=1)
                    os.replace(options.output + ".part", options.output)
    print(table(results, options.peers))


if __name__ == "__main__":
    main()
