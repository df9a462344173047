"""foldrun beside its peers on this machine: same ONNX files, same images, same threads, each at its own best batch. On the CPU,
or with --device vulkan:0 on a Vulkan device, where ncnn is the peer.

All get the same images, as f32 numbers in the host's memory that were scaled before, and answer into the host's memory. Answers are
compared with the reference's before anything is timed: all of a batch. Then the engines take turns, round after round and in random
order, each in a process of its own with a session freshly opened, so that the machine's drift hits all alike; a figure is the median over
rounds, its spread the least and the most. With --rows they go on until the intervals are narrow, and the rows are kept as 'foldrun compare'
has them; the same command goes on with them after Ctrl-C or a crash.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import numpy as np
except ImportError:  # for --help alone, before anything is installed
    np = None

import comparison
from comparison import CHECKED

HERE = os.path.dirname(os.path.abspath(__file__))
CPU_PEERS = ["onnxruntime", "openvino", "ncnn", "pytorch"]
VULKAN_PEERS = ["ncnn-vulkan"]
TOLERANCE = {"f32": 2e-3, "tf32": 2e-2, "f16": 2e-2, "bf16": 6e-2, "int8": 0.5}  # of the largest answer


class Peer:
    worker = os.path.join(HERE, "worker.py")
    patience_s = 300  # for one answer: what hangs is a row with its reason

    def __init__(self, name, precision, threads, setup):
        self.name, self.precision, self.threads, self.setup, self.process = name, precision, threads, setup, None
        self.refused, self.version, self.mode, self.loaded, self.runs = None, "", None, {}, 0

    def ask(self, **what):
        if not self.process:
            self.process = subprocess.Popen([sys.executable, self.worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        process, watch = self.process, threading.Timer(self.patience_s, self.process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if line:
            return json.loads(line)
        code = process.wait()  # the next question starts another
        self.process = None
        return {"refused": f"its process ended: {signal.strsignal(-code)}" if code < 0 else f"its process ended with exit code {code}"}

    def stop(self):
        """Nothing of it disturbs the others."""
        process, self.process = self.process, None
        if not process:
            return
        try:
            process.stdin.close()
            process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()

    def start(self, instances, threads, batch):
        answer = self.ask(load=dict(self.setup, engine=self.name, precision=self.precision, instances=instances, threads=threads, batch=batch))
        self.refused = answer.get("refused")
        if self.refused is None:
            self.version, self.loaded = answer["version"], answer
        return self.refused is None

    def settle(self, batches, seconds):
        """The fastest of the modes and batches; None, and the reason in `refused`."""
        modes = [(1, self.threads)] + ([(self.threads, 1)] if self.threads > 1 else [])
        best, why = 0, "it answered nothing"
        for batch in batches if self.name != "ncnn" else batches[-1:]:
            for instances, threads in modes:
                if batch < instances:
                    continue
                answer = self.ask(time=seconds) if self.start(instances, threads, batch) else {"refused": self.refused}
                why = answer.get("refused", why)
                if answer.get("images_per_s", 0) > best:
                    best, self.mode = answer["images_per_s"], (instances, threads, batch)
        self.stop()
        self.refused = None if self.mode else why
        return self.mode

    def checked(self, folder):
        """Answers to the checked images, again and again in a batch as it is timed; None, and the reason in `refused`."""
        path = os.path.join(folder, "peer.npy")
        self.refused = self.ask(check=path).get("refused")
        return np.load(path) if self.refused is None else None

    def answers(self, folder):
        answers = self.checked(folder) if self.start(*self.mode) else None
        self.stop()
        return answers

    def visit(self, seconds):
        """A process and a session of its own, and its rate; None, and the reason in `refused`."""
        answer = self.ask(time=seconds) if self.start(*self.mode) else {"refused": self.refused}
        self.stop()
        self.refused = answer.get("refused")
        self.runs += answer.get("runs", 0)
        return answer.get("images_per_s")

    def images(self):
        return self.loaded.get("images", 0)


def last_line(text):
    return (text.strip().splitlines() or ["it failed"])[-1]


class Foldrun:
    name = "foldrun"
    shown = "foldrun, f32 images"  # as its peers are given their images, which is not how `foldrun compare` gives them

    def __init__(self, command, model, precision, place, setup):
        self.command, self.model, self.precision, self.place, self.setup = command, model, precision, place, setup
        self.batch, self.schedule, self.refused, self.version, self.told, self.runs = None, "", None, "", None, 0

    def words(self, batch):
        return ["bench", self.model, "--fold", str(self.setup["fold"]), "--batch", str(batch), "--precision", self.precision, *self.place,
                "--input-dtype", "f32"]

    def visit(self, seconds, batch=None):
        """A process and a session of its own, and its rate; None, and the reason in `refused`."""
        words = [*self.words(batch or self.batch), "--duration", str(seconds), "--warmup", "0.1", "--json"]
        done = subprocess.run([self.command, *words], capture_output=True, text=True)
        if done.returncode:
            self.refused = last_line(done.stderr)
            return None
        self.told = json.loads(done.stdout)
        row = self.told["results"][0]
        self.schedule, self.version, self.refused = row.get("schedule", ""), self.told["version"], None
        self.runs += row["repeats"]
        return row["images_per_s"]["median"]

    def settle(self, batches, seconds):
        rate, self.batch = max((self.visit(seconds, batch) or 0, batch) for batch in batches)
        self.runs = 0
        return (1, 0, self.batch) if rate else None

    def answers(self, folder):
        try:
            return answers_of_batch(self.command, self.setup, folder, self.batch, "--precision", self.precision, *self.place)
        except subprocess.CalledProcessError as error:
            self.refused = last_line(error.stderr)
            return None

    def stop(self):
        """It has nothing running."""

    def images(self):
        return self.batch or 0


# ---- the same work, and the same answers ----


def images_for(command, model, fold, folder):
    """Seeded uint8 images as .npy for foldrun, and the same folded and scaled as the f32 input of the ONNX file."""
    shown = json.loads(subprocess.run([command, "show", model, "--json"], capture_output=True, text=True, check=True).stdout)
    channels, height, width = shown["channels"], shown["height"], shown["width"]
    pixels = np.random.default_rng(5).integers(0, 256, (64 * fold, height, width, channels), dtype=np.uint8)
    scaled = pixels.astype(np.float32) / 255.0
    folded = scaled.transpose(0, 3, 1, 2).reshape(64, fold * channels, height, width)
    np.save(os.path.join(folder, "few.npy"), pixels[: CHECKED * fold])
    np.save(os.path.join(folder, "inputs.npy"), np.ascontiguousarray(folded))


def prepare(command, model, fold, folder):
    """What the engines are given, and the reference's answers to the first inputs, a row each. The weights are those of the ONNX file,
    which are made of the same seed as foldrun's own."""
    onnx = os.path.join(folder, f"{model}_f{fold}.onnx")
    subprocess.run([command, "export", model, "--fold", str(fold), "-o", onnx], check=True, capture_output=True, text=True)
    images_for(command, model, fold, folder)
    reference = answers_of(command, onnx, folder, "few.npy", "--device", "ref").reshape(CHECKED, -1)
    return {"onnx": onnx, "inputs": os.path.join(folder, "inputs.npy"), "fold": fold}, reference


def answers_of(command, onnx, folder, name, *place):
    path = os.path.join(folder, "answers.npy")
    words = ["run", onnx, "--input", os.path.join(folder, name), "--format", "npy", "-o", path, *place]
    subprocess.run([command, *words], check=True, capture_output=True, text=True)
    return np.load(path)


def answers_of_batch(command, setup, folder, batch, *place):
    """To the checked images, again and again in a batch of whole inputs; an input a row."""
    few = np.load(os.path.join(folder, "few.npy"))
    inputs = max(batch // setup["fold"], 1)
    np.save(os.path.join(folder, "batch.npy"), np.resize(few, (inputs * setup["fold"],) + few.shape[1:]))
    return answers_of(command, setup["onnx"], folder, "batch.npy", "--batch", str(batch), *place).reshape(inputs, -1)


def check(answers, reference, precision, row):
    """Says in the row how far the answers are from the reference's, whose inputs come again and again; the reason, where that is too far."""
    if answers.shape[1:] != reference.shape[1:] or not len(answers):
        return f"its answers have the shape {answers.shape}, where those of {reference.shape[0]} inputs have {reference.shape}"
    far = float(np.max(np.abs(answers - np.resize(reference, answers.shape))) / max(float(np.max(np.abs(reference))), 1e-6))
    right = far <= TOLERANCE[precision]
    row.update(check="right" if right else "wrong", max_error=far if np.isfinite(far) else 0)
    return None if right else f"wrong answers: up to {100 * far:.3g}% of the largest away from the reference's, where {100 * TOLERANCE[precision]:g}% is right"


# ---- measuring ----


def compare(case, engines, options, folder, reference):
    """The engines' entries, each with its row. reference: its answers, or the reason why there are none."""
    model, fold, precision = case
    why = reference if isinstance(reference, str) else None
    entries = [(e, {"engine": e.name, "model": model, "fold": fold, "precision": precision, "mode": None, "rates": [], "at": [], "refused": why})
               for e in engines]
    for engine, row in [] if why else entries:
        batches = [max(1, b // fold) for b in options.batches] if isinstance(engine, Peer) else options.batches
        row["mode"] = engine.settle(batches, options.seconds / 2)
        answers = engine.answers(folder) if row["mode"] else None
        row["refused"] = check(answers, reference, precision, row) if answers is not None else engine.refused or "it answered nothing"
    for turn in options.visits.rounds(entries, lambda row: [row["rates"]]):
        for engine, row in turn:
            time.sleep(0.05)
            rate = engine.visit(options.seconds)
            if rate is None:
                row["refused"] = engine.refused or "it answered nothing"
                continue
            row["rates"].append(rate)
            row["at"].append(options.file.now() if options.file else 0)
    for engine, row in entries:
        row["version"], row["schedule"] = engine.version, getattr(engine, "schedule", "")
        if row["rates"] and not row["refused"]:
            row["images_per_s"] = {"median": float(np.median(row["rates"])), "least": min(row["rates"]), "most": max(row["rates"])}
    return entries


def key_of(file, name, case):
    """Of its rows: one, at the batch that suited it best."""
    ours = name == Foldrun.name
    return {"engine": Foldrun.shown if ours else name, "device": file.ours if ours else file.theirs("gpu" if name in VULKAN_PEERS else "cpu"),
            "model": case[0], "fold": case[1], "precision": case[2]}


def keep(options, case, entries):
    """The rows of one case, as `foldrun compare` has them."""
    file = options.file
    for engine, row in entries:
        key = key_of(file, engine.name, case)
        file.forget(**key)
        fields = dict(key, **{k: row[k] for k in ("version", "check", "max_error") if k in row})
        images = engine.images() or max(1, options.batches[-1] // row["fold"]) * row["fold"]
        if isinstance(engine, Foldrun):
            fields["schedule"] = "auto"
            words = ["foldrun", *engine.words(images)]
            if engine.told:
                file.meet(engine.told)
                fields.update(comparison.of_bench(engine.told["results"][0]))
        else:
            fields.update({k: engine.loaded[k] for k in ("open_ms", "first_ms") if k in engine.loaded})
            words = ["bench/peers/run", "--models", row["model"], "--fold", row["fold"], "--precision", row["precision"], "--batches", images, "--peers",
                     engine.name, *(["--device", options.device] if options.device else ["--threads", options.threads]), "--seconds", options.seconds,
                     "--rows", "rows.json"]
        file.row(list(zip(row["rates"], row["at"])), row["refused"], batch=images, copies=True, runs=engine.runs, command=words, **fields)
    file.write()


def cell(row):
    if "images_per_s" not in row:
        return "-"
    r = row["images_per_s"]
    return f"{r['median']:,.0f} ±{100 * (r['most'] - r['least']) / 2 / r['median']:.0f}%"


def table(results, peers_asked):
    head = ["model", "f", "precision", "foldrun", *peers_asked, "foldrun / best peer"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for key in dict.fromkeys((r["model"], r["fold"], r["precision"]) for r in results):
        rows = {r["engine"]: r for r in results if (r["model"], r["fold"], r["precision"]) == key}
        peers = [rows[p] for p in peers_asked if p in rows and "images_per_s" in rows[p]]
        ratio = "-"
        if peers and "images_per_s" in rows.get("foldrun", {}):
            best = max(peers, key=lambda r: r["images_per_s"]["median"])
            ratio = f"{rows['foldrun']['images_per_s']['median'] / best['images_per_s']['median']:.2f} ({best['engine']})"
        cells = [cell(rows.get(e, {})) for e in ["foldrun", *peers_asked]]
        lines.append("| " + " | ".join([key[0], str(key[1]), key[2], *cells, ratio]) + " |")
    return "\n".join(lines)


def machine():
    name = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return {"cpu": name, "cores": os.cpu_count(), "system": platform.platform()}


def names_left(options, case):
    """The engines that are not done yet."""
    return [n for n in [Foldrun.name, *options.peers] if not (options.file and options.file.has(**key_of(options.file, n, case)))]


def measure_case(options, case, folder):
    model, fold, precision = case
    try:
        setup, reference = prepare(options.foldrun, model, fold, folder)
    except subprocess.CalledProcessError as error:
        setup, reference = {"fold": fold}, last_line(error.stderr)
    ours = Foldrun(options.foldrun, model, precision, options.place, setup)
    engines = [ours if name == ours.name else Peer(name, precision, options.threads, setup) for name in names_left(options, case)]
    try:
        return compare(case, engines, options, folder, reference)
    finally:
        for engine in engines:
            engine.stop()


def measure(options, cases):
    results, pace = [], comparison.Pace(len(cases))
    for case in cases:
        pace.begin("{}, fold {}, {}".format(*case))
        with tempfile.TemporaryDirectory() as folder:
            entries = measure_case(options, case, folder)
        rows = [row for _, row in entries]
        results += rows
        if options.file:
            keep(options, case, entries)
        comparison.tell(rows, cell)
        if options.output:
            comparison.write_json(options.output, {"machine": machine(), "command": sys.argv, "results": results})
    return results


def read_options():
    parser = argparse.ArgumentParser(prog="bench/peers/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built = os.path.normpath(os.path.join(HERE, "..", "..", "build", "release", "foldrun"))
    parser.add_argument("--foldrun", default=built, metavar="PATH", help="the command (build/release/foldrun)")
    parser.add_argument("--models", type=comparison.words, default="v1,v2,v3,v4,v5,v6,n1,n2,n3,n4", metavar="LIST", help="(%(default)s)")
    parser.add_argument("--fold", type=comparison.numbers, default="1", metavar="LIST", help="folds, like 1,4 (%(default)s)")
    parser.add_argument("--precision", type=comparison.words, default="f32", metavar="LIST", help="of f32,bf16,f16,int8 (%(default)s)")
    best = "images a run: the best of them for each engine (%(default)s)"
    parser.add_argument("--batches", type=comparison.numbers, default="64,256,1024", metavar="LIST", help=best)
    parser.add_argument("--device", help="of foldrun, where it is not the CPU: vulkan:0")
    usual = "(%s; on a Vulkan device %s)" % (",".join(CPU_PEERS), ",".join(VULKAN_PEERS))
    parser.add_argument("--peers", type=comparison.words, metavar="LIST", help=usual)
    parser.add_argument("--threads", type=comparison.number, default=len(os.sched_getaffinity(0)), metavar="N", help="of every engine (%(default)s)")
    parser.add_argument("--rounds", type=comparison.number, default=5, metavar="N", help="visits to each engine, at least (%(default)s)")
    parser.add_argument("--seconds", type=comparison.positive, default=0.5, metavar="S", help="of timed runs a visit (%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="the rates as JSON")
    comparison.add_options(parser)
    options = parser.parse_args()
    if options.peers is None:
        options.peers = VULKAN_PEERS if (options.device or "").startswith("vulkan") else CPU_PEERS
    comparison.check_options(parser, options, list(TOLERANCE), CPU_PEERS + VULKAN_PEERS)
    options.place = ["--device", options.device] if options.device else ["--device", "cpu", "--threads", str(options.threads)]
    options.random = random.Random(5)
    options.visits = comparison.Visits(options)
    return options


def main():
    options = read_options()
    asked = {k: getattr(options, k) for k in ("batches", "device", "threads", "seconds")}
    about = "as other engines call it; they get f32 images, scaled before the clock starts"
    options.file = comparison.File(options, "bench/peers/run", options.place, asked, about) if options.rows else None
    cases = [(m, f, p) for p in options.precision for m in options.models for f in options.fold]
    with comparison.until_interrupted(options.rows):
        results = measure(options, [case for case in cases if names_left(options, case)])
    if options.file:
        options.file.write(finished=True)
    print(table(results, options.peers) if results else f"all of it is in {options.rows} already: 'foldrun compare --merge {options.rows}' shows it")


if __name__ == "__main__":
    main()
