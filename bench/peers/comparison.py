"""A comparison's file (docs/compare.md), as `foldrun compare` writes it too: visits, the interval of their median, and the rows of one machine."""

import argparse
import contextlib
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

CHECKED = 4  # inputs that the reference answers too
LEAST_VISITS = 3
ROW_KEY = ("engine", "version", "device", "model", "fold", "batch", "precision", "copies")


def interval(rates):
    """(median, low, high). Nothing is assumed of the visits' spread: as many are left out at each end as let the true median lie
    among the others 95 times in a hundred."""
    rates, n = sorted(rates), len(rates)
    left_out, below = 0, 0.0
    for c in range(n // 2):
        below += math.comb(n, c) / 2**n
        if below > 0.025:
            break
        left_out = c
    return (rates[(n - 1) // 2] + rates[n // 2]) / 2, rates[left_out], rates[n - 1 - left_out]


def narrow(rates, percent):
    if len(rates) < LEAST_VISITS:
        return False
    median, low, high = interval(rates)
    return high - low < percent / 100 * median


# ---- the command line ----


def numbers(text):
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of whole numbers like 1,4")
    return values


def number(text):
    values = numbers(text)
    if len(values) > 1:
        raise argparse.ArgumentTypeError(f"'{text}' is more than one number")
    return values[0]


def positive(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return value


def words(text):
    return [word for word in text.split(",") if word]


def add_options(parser):
    parser.add_argument("--rows", metavar="FILE", help="rows as 'foldrun compare' has them, for 'foldrun report' and 'foldrun compare --merge'; "
                        "the same command goes on with what is there")
    parser.add_argument("--fresh", action="store_true", help="with --rows: begin anew, and replace what is there")
    parser.add_argument("--machine", metavar="NAME", help="what the rows call this machine (the processor's name)")
    parser.add_argument("--narrow", type=positive, default=2, metavar="PERCENT", help="with --rows: go on until the interval is as narrow, of the median (2)")
    parser.add_argument("--most", type=number, metavar="ROUNDS", help="with --rows: at most that many rounds (three times --rounds)")


def check_options(parser, options, precisions, engines):
    """What is no word of ours is told before anything is measured."""
    unknown = [w for w in options.precision if w not in precisions] + [w for w in options.peers if w not in engines]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(precisions)} and {', '.join(engines)}")
    if not shutil.which(options.foldrun):
        parser.error(f"{options.foldrun} is not there: build it (cmake --preset release && cmake --build --preset release), or name it with --foldrun")


# ---- measuring ----


class Visits:
    """Rounds over engines in random order: all of them `least` times, then those that are not narrow yet."""

    def __init__(self, options):
        self.options = options
        self.least = options.rounds
        self.most = max(options.most or 3 * options.rounds, options.rounds) if options.rows else options.rounds

    def are_enough(self, rates):
        return len(rates) >= self.most or (len(rates) >= self.least and narrow(rates, self.options.narrow))

    def rounds(self, entries, rates_of):
        """Yields the entries of each round. An entry is a pair with its row; one that is refused is not visited again."""
        for _ in range(self.most):
            left = [e for e in entries if not e[1].get("refused") and not all(map(self.are_enough, rates_of(e[1])))]
            if not left:
                return
            self.options.random.shuffle(left)
            yield left


class Pace:
    """Says which case comes, and how long all will take."""

    def __init__(self, cases):
        self.cases, self.begun, self.since = cases, 0, time.monotonic()

    def begin(self, what):
        left = ""
        if self.begun:
            minutes = (time.monotonic() - self.since) / self.begun * (self.cases - self.begun) / 60
            left = f", about {minutes:.0f} min left"
        self.begun += 1
        print(f"{self.begun} of {self.cases}{left}: {what}", file=sys.stderr, flush=True)


def tell(rows, figure):
    """A case's engines in a line, and below it why some have no figure."""
    print("    " + "  ".join(f"{row['engine']} {figure(row)}" for row in rows), file=sys.stderr, flush=True)
    for row in rows:
        if row["refused"]:
            print(f"    {row['engine']}: {row['refused']}", file=sys.stderr)


@contextlib.contextmanager
def until_interrupted(kept):
    """Ctrl-C, and what else ends a program, leaves the files as they were last written and the temporary folders gone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted: " + ("what was measured is kept; the same command goes on with it" if kept else "with --rows FILE the same command would go on"),
              file=sys.stderr)
        raise SystemExit(130) from None


def write_json(path, document):
    """Whole, or as it was."""
    part = path + ".part"
    try:
        with open(part, "w") as file:
            json.dump(document, file, indent=1)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise SystemExit(f"{path} cannot be written: {error.strerror}") from None


# ---- the file ----


def of_bench(row):
    """What a row of `foldrun bench --json` tells beside its rate."""
    return dict({k: row[k] for k in ("ops_per_image", "planned_bytes", "peak_bytes", "weight_bytes", "open_ms")}, first_ms=row["first_run_ms"])


class File:
    """The rows of one machine, written anew whenever there are more of them; `interrupted` until it is finished. What was finished in an
    earlier call is not measured again; what failed, or was cut short, is."""

    def __init__(self, options, tool, place, asked, theirs):
        """place: options of foldrun that say where it runs. asked: what else of the command line the figures depend on; a file of
        another question is not gone on with. theirs: what is to be known of the devices as other engines call them."""
        self.path, self.tool, self.visits, self.asked, self.about = options.rows, tool, options.visits, asked, theirs
        self.begin, self.devices, self.rows = time.monotonic(), {}, []
        glance = ["--fold", "1", "--batch", "1", "--tuning", "off", "--duration", "0.01", "--warmup", "0", "--json"]
        done = subprocess.run([options.foldrun, "bench", "v1", *place, *glance], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr.strip())
        told = json.loads(done.stdout)
        self.ours, self.version = told["device"]["id"], told["version"]
        # As foldrun has it: rows of one machine are those whose machines have the same name, processor, system, cores and memory.
        self.machine = dict(told["host"], id="here", name=options.machine or told["host"]["cpu"])
        self.meet(told)
        if os.path.exists(self.path) and not options.fresh:
            self.take_up()
        self.write()

    def take_up(self):
        otherwise = "name another file, or replace it with --fresh"
        try:
            with open(self.path) as file:
                was = json.load(file)
            if (was["format"], was["what"]) != (1, "foldrun comparison"):
                raise ValueError
            machines = [dict(m, memory_bytes=0) for m in was["machines"]]  # it differs by a little from boot to boot
            asked, rows, devices, seconds = was.get("asked"), was["rows"], {d["id"]: dict(d) for d in was["devices"]}, float(was["seconds"])
            for row in rows:
                self.visits.are_enough([float(visit["images_per_s"]) for visit in row["visits"]])
                _ = [row[k] for k in ROW_KEY], row["failed"]
        except OSError as error:
            raise SystemExit(f"{self.path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise SystemExit(f"{self.path} was not written by {self.tool}: {otherwise}") from None
        if asked is None or machines != [dict(self.machine, memory_bytes=0)]:
            raise SystemExit(f"{self.path} is of another machine or another program: {otherwise}; 'foldrun compare --merge' puts files together")
        if asked != self.asked:
            other = [f"--{k}" for k in self.asked if asked.get(k) != self.asked[k]]
            raise SystemExit(f"{self.path} was measured with other {', '.join(other) or 'options'}: {otherwise}")
        for id, device in self.devices.items():
            device["peak"] = dict(devices.get(id, {}).get("peak", {}), **device["peak"])
        self.rows, self.devices = rows, dict(devices, **self.devices)
        self.begin -= seconds
        if rows:
            print(f"going on with the {len(rows)} rows of {self.path} (--fresh begins anew)", file=sys.stderr)

    def now(self):
        return time.monotonic() - self.begin

    def meet(self, told):
        """What `foldrun bench --json` tells of the device; of its peaks more with each precision."""
        known = {k: v for k, v in told["device"].items() if k != "peak_gflops"}
        peak = self.devices.setdefault(known["id"], dict(known, machine="here")).setdefault("peak", {})
        for precision, gflops in told["device"].get("peak_gflops", {}).items():
            peak[precision] = max(peak.get(precision, 0), gflops * 1e9)

    def theirs(self, id):
        """The device as other engines know it, "cpu" or "gpu": the second is the one that foldrun runs on."""
        about = {"name": self.machine["cpu"], "units": self.machine["cores"]}
        if id == "gpu":
            about = {k: self.devices[self.ours][k] for k in ("name", "driver", "units", "memory_bytes")}
        self.devices.setdefault(id, dict(about, machine="here", id=id, title=self.about))
        return id

    def rows_of(self, **key):
        return [row for row in self.rows if all(row[k] == v for k, v in key.items())]

    def has(self, **key):
        """Nothing is left to measure of it."""
        rows = self.rows_of(**key)
        return bool(rows) and all(not row["failed"] and self.visits.are_enough([v["images_per_s"] for v in row["visits"]]) for row in rows)

    def forget(self, **key):
        """What is measured anew."""
        gone = self.rows_of(**key)
        self.rows = [row for row in self.rows if row not in gone]

    def row(self, visits, refused=None, **fields):
        """visits: (images a second, seconds since the beginning). Beside a reason they count for nothing."""
        row = dict({"machine": "here", "round": "floor", "version": ""}, **fields)
        if not row["version"] and row["device"] == self.ours:  # it never ran
            row["version"] = self.version
        row["version"] = row["version"][:47]
        row["visits"] = [] if refused else [{"images_per_s": rate, "at_s": at} for rate, at in visits]
        if row["visits"]:
            row["images_per_s"] = dict(zip(("median", "low", "high"), interval([rate for rate, _ in visits])))
        row["failed"], row["reason"] = bool(refused) or not visits, (refused or ("" if visits else "no visit was finished"))[:250]
        command = shlex.join(str(word) for word in row["command"])
        row["command"] = command if len(command.encode()) < 256 else ""
        self.rows.append(row)

    def write(self, finished=False):
        write_json(self.path, {"format": 1, "what": "foldrun comparison", "foldrun": "", "command": shlex.join([self.tool] + sys.argv[1:])[:500],
                               "asked": self.asked, "seconds": self.now(), "interrupted": not finished, "machines": [self.machine],
                               "devices": list(self.devices.values()), "rows": self.rows})
