"""foldrun beside PyTorch, ONNX Runtime and TensorRT on one CUDA device: same ONNX files, same GPU, one run.

For each model, precision, fold and batch, answers are compared with the reference's before anything is timed, all of a batch; then the
engines take turns, round after round in random order. Two figures each: images that lie on the device already, and uint8 images from the
host with their scores back. foldrun runs in three ways: all its kernels; without chains (layer by layer and groups); and cuDNN's kernels
alone (the answers of the second and third are unchecked). With --rows the rounds go on until the intervals are narrow, and the rows are
kept as 'foldrun compare' has them; the same command goes on with them after Ctrl-C or a crash. foldrun's visits are processes of their own;
those of the others are of one session, for torch.compile and TensorRT take minutes to make one.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:  # for --help alone, before anything is installed
    np = None

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
import comparison  # noqa: E402
import peers as cpu_peers  # noqa: E402

PEERS = ["torch-graphs", "torch-compile", "onnxruntime-cuda", "tensorrt"]
OURS = {"foldrun": None, "foldrun-layers": "-chain", "foldrun-cudnn": "dnn,lt.,ingest,emit"}


class Peer(cpu_peers.Peer):
    worker = os.path.join(HERE, "gpu_worker.py")
    patience_s = 1800  # some take minutes to make a session

    def __init__(self, name, precision, setup, batch):
        super().__init__(name, precision, 1, setup)
        self.mode = (1, 1, max(1, batch // setup["fold"]))

    def answers(self, folder):
        """Its session stays open for the visits."""
        return self.checked(folder) if self.start(*self.mode) else None

    def visit(self, seconds):
        """Both figures: (on the device, with copies); Nones and the reason in `refused`."""
        rates = []
        for transfers in (False, True):
            answer = self.ask(time=seconds, transfers=transfers)
            self.refused = self.refused or answer.get("refused")
            self.runs += answer.get("runs", 0) if transfers else 0
            rates.append(answer.get("images_per_s"))
        return tuple(rates)


class Foldrun:
    def __init__(self, name, options, case, setup):
        self.name, self.command, self.setup, self.device = name, options.foldrun, setup, options.device
        self.model, self.fold, self.precision, self.batch = case
        self.refused, self.version, self.schedule, self.told, self.runs = None, "", "", None, 0
        self.kernels = ["--kernels", OURS[name]] if OURS[name] else []

    def words(self):
        return ["bench", self.model, "--device", self.device, "--precision", self.precision, "--fold", str(self.fold), "--batch", str(self.batch),
                *self.kernels]

    def answers(self, folder):
        try:
            return cpu_peers.answers_of_batch(self.command, self.setup, folder, self.batch, "--device", self.device, "--precision", self.precision)
        except subprocess.CalledProcessError as error:
            self.refused = cpu_peers.last_line(error.stderr)
            return None

    def visit(self, seconds):
        done = subprocess.run([self.command, *self.words(), "--duration", str(seconds), "--warmup", "0.2", "--json"], capture_output=True, text=True)
        if done.returncode:
            self.refused = cpu_peers.last_line(done.stderr)
            return None, None
        self.told = json.loads(done.stdout)
        row = self.told["results"][0]
        self.schedule, self.version = row.get("schedule", ""), self.told["version"]
        self.runs += row["repeats"]
        return row["resident"]["images_per_s"]["median"], row["images_per_s"]["median"]

    def stop(self):
        """It has nothing running."""


def compare(case, engines, options, folder, reference):
    """The engines' entries, each with its row. reference: its answers, or the reason why there are none."""
    why = reference if isinstance(reference, str) else None
    entries = [(e, dict(zip(("model", "fold", "precision", "batch"), case), engine=e.name, resident=[], transfers=[], at=[], refused=why)) for e in engines]
    for engine, row in [] if why else entries:
        if OURS.get(engine.name):
            continue  # `foldrun run` takes no words for kernels: unchecked
        answers = engine.answers(folder)
        row["refused"] = cpu_peers.check(answers, reference, row["precision"], row) if answers is not None else engine.refused or "it answered nothing"
        if row["refused"]:
            engine.stop()
    for turn in options.visits.rounds(entries, lambda row: [row["resident"], row["transfers"]]):
        for engine, row in turn:
            resident, transfers = engine.visit(options.seconds)
            if resident and transfers:
                row["resident"].append(resident)
                row["transfers"].append(transfers)
                row["at"].append(options.file.now() if options.file else 0)
            else:
                row["refused"] = engine.refused or "it answered nothing"
    for engine, row in entries:
        row["version"], row["schedule"] = engine.version, getattr(engine, "schedule", "")
    return entries


def key_of(file, name, case):
    """Of its two rows, with copies and without."""
    model, fold, precision, batch = case
    ours = name in OURS
    return {"engine": name, "device": file.ours if ours else file.theirs("gpu"), "model": model, "fold": fold, "precision": precision,
            "batch": batch if ours else max(1, batch // fold) * fold}


def keep(options, case, entries):
    """The rows of one case, as `foldrun compare` has them: with copies, and without."""
    file = options.file
    for engine, row in entries:
        key = key_of(file, engine.name, case)
        file.forget(**key)
        fields = dict(key, **{k: row[k] for k in ("version", "check", "max_error") if k in row})
        if isinstance(engine, Foldrun):
            fields["schedule"] = "auto"
            words = ["foldrun", *engine.words()]
            if engine.told:
                file.meet(engine.told)
                fields.update(comparison.of_bench(engine.told["results"][0]))
        else:
            fields.update({k: engine.loaded[k] for k in ("open_ms", "first_ms") if k in engine.loaded})
            words = ["bench/gpu_peers/run", "--models", row["model"], "--fold", row["fold"], "--precision", row["precision"], "--batches", row["batch"],
                     "--peers", engine.name, "--ours", "foldrun", "--device", options.device, "--seconds", options.seconds, "--rows", "rows.json"]
        for copies in (True, False):
            file.row(list(zip(row["transfers" if copies else "resident"], row["at"])), row["refused"], copies=copies, runs=engine.runs, command=words, **fields)
    file.write()


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


def names_left(options, case):
    """The engines that are not done yet."""
    return [n for n in options.ours + options.peers if not (options.file and options.file.has(**key_of(options.file, n, case)))]


def measure_case(options, case, folder, setup, reference):
    engines = [Foldrun(name, options, case, setup) if name in OURS else Peer(name, case[2], setup, case[3]) for name in names_left(options, case)]
    try:
        return compare(case, engines, options, folder, reference)
    finally:
        for engine in engines:  # a process holds device memory
            engine.stop()


def measure_batches(options, cases, pace, results):
    """Cases that differ in nothing but their batch."""
    model, fold, precision, _ = cases[0]
    with tempfile.TemporaryDirectory() as folder:
        try:
            setup, reference = cpu_peers.prepare(options.foldrun, model, fold, folder)
        except subprocess.CalledProcessError as error:
            setup, reference = {"fold": fold}, cpu_peers.last_line(error.stderr)
        for case in cases:
            pace.begin("{}, fold {}, {}, batch {}".format(*case))
            entries = measure_case(options, case, folder, setup, reference)
            rows = [row for _, row in entries]
            results += rows
            if options.file:
                keep(options, case, entries)
            comparison.tell(rows, lambda row: figure(row, 'resident'))
            if options.output:
                comparison.write_json(options.output, {"machine": machine(options), "command": sys.argv, "results": results})


def read_options():
    parser = argparse.ArgumentParser(prog="bench/gpu_peers/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built = os.path.normpath(os.path.join(HERE, "..", "..", "build", "release", "foldrun"))
    parser.add_argument("--foldrun", default=built, metavar="PATH", help="the command (build/release/foldrun)")
    parser.add_argument("--device", default="cuda:0", help="(%(default)s)")
    parser.add_argument("--models", type=comparison.words, default="v1,v2,v3,v4,v5,v6,n1,n2,n3,n4", metavar="LIST", help="(%(default)s)")
    parser.add_argument("--fold", type=comparison.numbers, default="1,2,3,4", metavar="LIST", help="folds (%(default)s)")
    parser.add_argument("--precision", type=comparison.words, default="f16", metavar="LIST", help="of f32,tf32,f16,bf16 (%(default)s)")
    parser.add_argument("--batches", type=comparison.numbers, default="64,256,1024,2048,8192", metavar="LIST", help="images a run (%(default)s)")
    parser.add_argument("--peers", type=comparison.words, default=",".join(PEERS), metavar="LIST", help="(%(default)s)")
    parser.add_argument("--ours", type=comparison.words, default=",".join(OURS), metavar="LIST", help="ways of running foldrun (%(default)s)")
    parser.add_argument("--rounds", type=comparison.number, default=3, metavar="N", help="visits to each engine, at least (%(default)s)")
    parser.add_argument("--seconds", type=comparison.positive, default=0.3, metavar="S", help="of timed runs a visit, and as long with copies (%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="the rates as JSON, kept up to date")
    comparison.add_options(parser)
    options = parser.parse_args()
    comparison.check_options(parser, options, [p for p in cpu_peers.TOLERANCE if p != "int8"], PEERS)
    unknown = [w for w in options.ours if w not in OURS]
    if unknown:
        parser.error(f"--ours: unknown: {', '.join(unknown)}; there are {', '.join(OURS)}")
    options.random = random.Random(5)
    options.visits = comparison.Visits(options)
    return options


def main():
    options = read_options()
    asked = {k: getattr(options, k) for k in ("device", "seconds")}
    about = "as other engines call it; images come as uint8, and are scaled on it"
    options.file = comparison.File(options, "bench/gpu_peers/run", ["--device", options.device], asked, about) if options.rows else None
    cases = [(m, f, p, b) for p in options.precision for m in options.models for f in options.fold for b in options.batches]
    cases, results = [case for case in cases if names_left(options, case)], []
    pace = comparison.Pace(len(cases))
    with comparison.until_interrupted(options.rows):
        for _, group in itertools.groupby(cases, lambda case: case[:3]):
            measure_batches(options, list(group), pace, results)
    if options.file:
        options.file.write(finished=True)
    if results:
        print(tables(results, options.ours + options.peers, options.precision))
    else:
        print(f"all of it is in {options.rows} already: 'foldrun compare --merge {options.rows}' shows it")


if __name__ == "__main__":
    main()
