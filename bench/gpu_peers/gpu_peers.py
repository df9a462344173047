"""foldrun beside PyTorch, ONNX Runtime and TensorRT on one CUDA device: same ONNX files, same GPU, one run.

For each model, precision, fold and batch, answers are compared before anything is timed; then the engines take turns, round
after round. Two figures each: images that lie on the device already, and uint8 images from the host with their scores back.
foldrun runs in three ways: all its kernels; without chains (layer by layer and groups); and cuDNN's kernels alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
import peers as cpu_peers  # noqa: E402

PEERS = ["torch-graphs", "torch-compile", "onnxruntime-cuda", "tensorrt"]
OURS = {"foldrun": None, "foldrun-layers": "-chain", "foldrun-cudnn": "dnn,lt.,ingest,emit"}
TOLERANCE = dict(cpu_peers.TOLERANCE, tf32=2e-2)


class Peer(cpu_peers.Peer):
    worker = os.path.join(HERE, "gpu_worker.py")

    def __init__(self, name, precision, setup):
        super().__init__(name, precision, 1, setup)

    def time(self, seconds, transfers):
        return self.ask(time=seconds, transfers=transfers).get("images_per_s")


class Foldrun:
    refused, version = None, ""

    def __init__(self, name, command, device, model, precision, fold):
        self.name, self.place, self.schedule = name, [command, "bench", model, "--device", device, "--precision", precision, "--fold", str(fold), "--json"], ""

    def time(self, batch, seconds):
        """Both figures at once: (on the device, with copies)."""
        kernels = ["--kernels", OURS[self.name]] if OURS[self.name] else []
        done = subprocess.run(self.place + ["--batch", str(batch), "--duration", str(seconds), "--warmup", "0.2"] + kernels, capture_output=True, text=True)
        if done.returncode:
            self.refused = done.stderr.strip().splitlines()[-1]
            return None, None
        row = json.loads(done.stdout)["results"][0]
        self.schedule = row.get("schedule", "")
        return row["resident"]["images_per_s"]["median"], row["images_per_s"]["median"]


def right(peer, batch, folder, reference, precision):
    if not peer.start(1, 1, batch):
        return False
    saved = peer.ask(check=os.path.join(folder, "peer.npy"))
    if "saved" not in saved:
        peer.refused = saved.get("refused")
        return False
    answers = np.load(saved["saved"])
    far = float(np.max(np.abs(answers - reference[: len(answers)].reshape(answers.shape))) / max(float(np.max(np.abs(reference))), 1e-6))
    if not far <= TOLERANCE[precision]:
        peer.refused = f"answers differ by {far:.2g} of the largest"
    return peer.refused is None


def prepare(options, model, fold, precision, folder):
    onnx = os.path.join(folder, f"{model}_f{fold}.onnx")
    subprocess.run([options.foldrun, "export", model, "--fold", str(fold), "-o", onnx], check=True, capture_output=True)
    cpu_peers.images_for(options.foldrun, model, fold, folder)
    answers = os.path.join(folder, "answers.npy")
    subprocess.run([options.foldrun, "run", onnx, "--device", options.device, "--input", os.path.join(folder, "pixels.npy"), "--format", "npy", "-o", answers,
                    "--precision", precision], check=True, capture_output=True)
    return {"onnx": onnx, "inputs": os.path.join(folder, "inputs.npy"), "fold": fold}, np.load(answers).reshape(64, -1)[:4]


def compare(options, model, fold, precision, batch, folder, setup, reference):
    key = {"model": model, "fold": fold, "precision": precision, "batch": batch}
    rows = []
    for name in options.ours:
        rows.append((Foldrun(name, options.foldrun, options.device, model, precision, fold), dict(key, engine=name, resident=[], transfers=[])))
    for name in options.peers:
        peer, row = Peer(name, precision, setup), dict(key, engine=name, resident=[], transfers=[])
        if not right(peer, max(1, batch // fold), folder, reference, precision):
            row["refused"] = peer.refused
        row["version"] = peer.version
        rows.append((peer, row))
    for _ in range(options.rounds):
        for engine, row in rows:
            if row.get("refused"):
                continue
            if isinstance(engine, Foldrun):
                resident, transfers = engine.time(batch, options.seconds)
                row["refused"] = engine.refused
                row["schedule"] = engine.schedule
            else:
                resident, transfers = engine.time(options.seconds, False), engine.time(options.seconds, True)
            if resident and transfers:
                row["resident"].append(resident)
                row["transfers"].append(transfers)
    for peer in list(Peer.processes.values()):  # a process holds device memory
        peer.stdin.close()
        peer.wait()
    Peer.processes.clear()
    return [row for _, row in rows]


def figure(row, what):
    rates = row.get(what) if row else None
    return f"{np.median(rates):,.0f} ±{100 * (max(rates) - min(rates)) / 2 / np.median(rates):.0f}%" if rates else "-"


def best_of(results, engine, key, what):
    rows = [r for r in results if r["engine"] == engine and all(r[k] == v for k, v in key.items()) and r[what]]
    return max(rows, key=lambda r: np.median(r[what]), default=None)


def tables(results, engines, precisions):
    """Each engine at its best batch, plain models; then what folding gains, by engine."""
    lines = []
    models = list(dict.fromkeys(r["model"] for r in results))
    folds = sorted({r["fold"] for r in results})
    for precision in precisions:
        for what in ("resident", "transfers"):
            lines += [f"\n{precision}, images/s, {'on the device' if what == 'resident' else 'with transfers'}, each at its best batch, f = {folds[0]}\n",
                      "| model | " + " | ".join(engines) + " | foldrun / best peer |", "|---" * (len(engines) + 2) + "|"]
            for model in models:
                rows = {e: best_of(results, e, {"model": model, "precision": precision, "fold": folds[0]}, what) for e in engines}
                peers = [float(np.median(rows[e][what])) for e in engines if e not in OURS and rows[e]]
                ours = rows.get("foldrun")
                ratio = f"{float(np.median(ours[what])) / max(peers):.2f}" if ours and peers else "-"
                lines.append("| " + " | ".join([model] + [figure(rows[e], what) for e in engines] + [ratio]) + " |")
        if len(folds) > 1:
            lines += [f"\n{precision}, folding's gain over f = {folds[0]}, on the device, best batch of each\n",
                      "| model | engine | " + " | ".join(f"f = {f}" for f in folds[1:]) + " |", "|---" * (len(folds) + 1) + "|"]
            for model in models:
                for engine in engines:
                    by_fold = [best_of(results, engine, {"model": model, "precision": precision, "fold": f}, "resident") for f in folds]
                    if by_fold[0]:
                        base = float(np.median(by_fold[0]["resident"]))
                        cells = [f"{float(np.median(r['resident'])) / base:.2f}" if r else "-" for r in by_fold[1:]]
                        lines.append("| " + " | ".join([model, engine] + cells) + " |")
    return "\n".join(lines)


def machine(options):
    found = subprocess.run([options.foldrun, "devices", "--json"], capture_output=True, text=True)
    return dict(cpu_peers.machine(), devices=json.loads(found.stdout) if found.returncode == 0 else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--foldrun", default=os.path.join(HERE, "..", "..", "build", "release", "foldrun"))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--models", default="v1,v2,v3,v4,v5,v6,n1,n2,n3,n4")
    parser.add_argument("--fold", default="1,2,3,4")
    parser.add_argument("--precision", default="f16", help="f32,tf32,f16,bf16")
    parser.add_argument("--batches", default="64,256,1024,2048,8192", help="images")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--ours", default=",".join(OURS), help="ways of running foldrun")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("-o", "--output", help="rows as JSON, kept up to date")
    options = parser.parse_args()
    options.peers, options.ours = [p for p in options.peers.split(",") if p], [w for w in options.ours.split(",") if w]
    unknown = [w for w in options.peers if w not in PEERS] + [w for w in options.ours if w not in OURS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PEERS)} and {', '.join(OURS)}")
    results = []
    for precision in options.precision.split(","):
        for model in options.models.split(","):
            for fold in (int(f) for f in options.fold.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    setup, reference = prepare(options, model, fold, precision, folder)
                    for batch in (int(b) for b in options.batches.split(",")):
                        rows = compare(options, model, fold, precision, batch, folder, setup, reference)
                        results += rows
                        print(f"{model} f={fold} {precision} batch {batch}: " + "  ".join(f"{r['engine']} {figure(r, 'resident')}" for r in rows), file=sys.stderr, flush=True)
                        for r in rows:
                            if r.get("refused"):
                                print(f"    {r['engine']}: {r['refused']}", file=sys.stderr)
                        if options.output:
                            with open(options.output + ".part", "w") as file:
                                json.dump({"machine": machine(options), "command": sys.argv, "results": results}, file, indent=1)
                            os.replace(options.output + ".part", options.output)
    print(tables(results, options.ours + options.peers, options.precision.split(",")))


if __name__ == "__main__":
    main()
