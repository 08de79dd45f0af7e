"""pysteps and raincell on the same input in the same run; see pysteps.sh, which builds what this runs."""

import argparse
import contextlib
import glob
import importlib.metadata
import io
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
from scipy.ndimage import uniform_filter

with contextlib.redirect_stdout(io.StringIO()):
    from pysteps import motion, nowcasts
    from pysteps.utils import transformation

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
BEGIN, END = "<!-- bench/pysteps.sh --update: begin -->", "<!-- bench/pysteps.sh --update: end -->"
FIRST_START, START_EVERY = 11, 8
STEPS, LEADS = 12, (3, 6, 12)
RATES_MM_H = (0.1, 1.0, 5.0)
FSS_CELLS = 11
# What pysteps takes for dry, mm/h and dB.
DRY_MM_H, DRY_DB, ZERO_DB = 0.1, -10.0, -15.0


class Scores:
    """Sums over nowcasts; every observed cell counts, and a cell that the nowcast leaves unknown counts as dry."""

    def __init__(self):
        self.sums = {}

    def add(self, key, *terms):
        self.sums[key] = self.sums.get(key, 0) + np.array(terms, dtype=float)

    def deterministic(self, nowcast, observed):
        for lead in LEADS:
            seen = np.isfinite(observed[lead - 1])
            f = np.where(np.isfinite(nowcast[lead - 1]), nowcast[lead - 1], 0.0)
            o = np.where(seen, observed[lead - 1], 0.0)
            for rate in RATES_MM_H:
                a, b = seen & (f >= rate), seen & (o >= rate)
                self.add(("csi", rate, lead), (a & b).sum(), (a | b).sum())
                smooth_a, smooth_b = (uniform_filter(x.astype(np.float32), FSS_CELLS)[seen] for x in (a, b))
                self.add(("fss", rate, lead), ((smooth_a - smooth_b) ** 2).sum(), (smooth_a**2 + smooth_b**2).sum())
            wet = seen & ((f >= DRY_MM_H) | (o >= DRY_MM_H))
            self.add(("mae", None, lead), np.abs(f - o)[wet].sum(), wet.sum())

    def ensemble(self, members, observed):
        count = len(members)
        for lead in LEADS:
            seen = np.isfinite(observed[lead - 1])
            o = observed[lead - 1][seen]
            e = np.sort(np.nan_to_num(members[:, lead - 1][:, seen]), axis=0)
            rank = (2 * np.arange(1, count + 1) - count - 1).astype(np.float32)[:, None]
            crps = np.abs(e - o).mean(axis=0) - (rank * e).sum(axis=0) / count**2
            self.add(("crps", None, lead), crps.sum(dtype=float), o.size)
            for rate in RATES_MM_H[1:]:
                brier = ((e >= rate).mean(axis=0) - (o >= rate)) ** 2
                self.add(("brier", rate, lead), brier.sum(dtype=float), o.size)

    def of(self, score, rate, lead):
        part, whole = self.sums.get((score, rate, lead), (0.0, 0.0))
        if whole == 0:
            return None
        return 1 - part / whole if score == "fss" else part / whole


class Seconds(dict):
    def timed(self, name, run):
        began = time.perf_counter()
        # Libraries talk; their words are nobody's result.
        with contextlib.redirect_stdout(io.StringIO()):
            result = run()
        self.setdefault(name, []).append(time.perf_counter() - began)
        return result

    def median(self, name):
        return statistics.median(self[name]) if self.get(name) else None


def composites(folder):
    """Rain rate by time stamp of a folder of ODIM_H5 composites, and the width of a cell in km."""
    fields = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.h5"))):
        with h5py.File(path) as file:
            data, where = file["dataset1/data1"], file["where"].attrs
            what, codes = data["what"].attrs, data["data"][:]
            rate = codes.astype(np.float32) * np.float32(what["gain"]) + np.float32(what["offset"])
            rate[codes == what["undetect"]] = 0.0
            rate[codes == what["nodata"]] = np.nan
            cell_km = float(where["xscale"]) / 1000.0
        fields[os.path.basename(path)[:12]] = rate
    return fields, cell_km


def write_flat(folder, fields, cell_km):
    rows, columns = next(iter(fields.values())).shape
    with open(os.path.join(folder, "meta.txt"), "w") as meta:
        meta.write(f"{rows} {columns} {cell_km}\n")
    for stamp, field in fields.items():
        field.astype("<f4").tofile(os.path.join(folder, f"{stamp}.f32"))


def read_flat(folder):
    rows, columns, cell_km = open(os.path.join(folder, "meta.txt")).read().split()
    shape = (int(rows), int(columns))
    paths = sorted(glob.glob(os.path.join(folder, "*.f32")))
    return {os.path.basename(p)[:12]: np.fromfile(p, "<f4").reshape(shape) for p in paths}, float(cell_km)


def minutes(stamp):
    return time.mktime(time.strptime(stamp, "%Y%m%d%H%M")) / 60


def run_raincell(folder, stamp, shape, members, seconds):
    with tempfile.TemporaryDirectory() as out:
        example = os.path.join(TARGET, "release", "examples", "bench_run")
        words = [example, folder, stamp, str(STEPS), str(members), "5", out]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        for pair in said.split():
            name, value = pair.split("=")
            seconds.setdefault(name, []).append(float(value))
        best = np.fromfile(os.path.join(out, "best.f32"), "<f4").reshape((STEPS, *shape))
        drawn = np.fromfile(os.path.join(out, "members.f32"), "<f4").reshape((members, STEPS, *shape))
    return best, drawn


def run_pysteps(past, step_min, cell_km, members, seconds):
    """Deterministic nowcasts by method, and the members of STEPS."""
    rates = np.stack([np.nan_to_num(field, nan=0.0) for field in past]).astype(float)
    unknown = np.isnan(past[-1])
    decibels = transformation.dB_transform(rates, threshold=DRY_MM_H, zerovalue=ZERO_DB)[0]
    moved = seconds.timed("motion_s", lambda: motion.get_method("LK")(decibels[-3:]))
    workers = os.cpu_count()
    fft = {"fft_method": "pyfftw"}

    def extrapolation():
        last = np.where(unknown, np.nan, rates[-1])
        return nowcasts.get_method("extrapolation")(last, moved, STEPS)

    def sprog():
        method = nowcasts.get_method("sprog")
        return method(decibels[-3:], moved, STEPS, precip_thr=DRY_DB, num_workers=workers, **fft)

    def anvil():
        return nowcasts.get_method("anvil")(rates[-4:], moved, STEPS, num_workers=workers, **fft)

    def steps():
        settings = {"precip_thr": DRY_DB, "kmperpixel": cell_km, "timestep": step_min, "seed": 42, **fft}
        return nowcasts.get_method("steps")(
            decibels[-3:], moved, STEPS, n_ens_members=members, num_workers=workers, **settings
        )

    def in_mm_h(db):
        return transformation.dB_transform(np.where(np.isfinite(db), db, ZERO_DB), threshold=DRY_DB, inverse=True)[0]

    found = {
        "extrapolation": seconds.timed("extrapolation_s", extrapolation),
        "S-PROG": in_mm_h(seconds.timed("sprog_s", sprog)),
        "ANVIL": seconds.timed("anvil_s", anvil),
    }
    drawn = in_mm_h(seconds.timed("steps_s", steps)).astype(np.float32) if members else None
    return found, drawn


def cell(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}"


def in_ms(seconds):
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def speed_table(ours, theirs, shape, members):
    rows = [("motion", "motion_s", "Lucas–Kanade", "motion_s")]
    rows += [
        (f"`best`, {STEPS} steps", "best_s", name, key)
        for name, key in (("extrapolation", "extrapolation_s"), ("S-PROG", "sprog_s"), ("ANVIL", "anvil_s"))
    ]
    if members:
        rows.append((f"{members} members, {STEPS} steps", "ensemble_s", f"STEPS, {members} members", "steps_s"))
    lines = [
        f"| {shape[1]} × {shape[0]} cells | raincell | pysteps {importlib.metadata.version('pysteps')} | | ratio |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for part, our_key, peer, peer_key in rows:
        a, b = ours.median(our_key), theirs.median(peer_key)
        lines.append(f"| {part} | {in_ms(a)} | {peer} | {in_ms(b)} | {b / a:.0f} × |")
    return lines


def skill_table(scores, members):
    columns = [("csi", 1.0), ("csi", 5.0), ("fss", 1.0), ("fss", 5.0), ("mae", None)]
    titles = ["CSI 1 mm/h", "CSI 5 mm/h", "FSS 1 mm/h", "FSS 5 mm/h", "MAE mm/h"]
    lines = [f"| lead | nowcast | {' | '.join(titles)} |", "| --- | --- |" + " ---: |" * len(titles)]
    for lead in LEADS[1:]:
        for name in ("raincell `best`", "S-PROG", "ANVIL", "extrapolation", "persistence"):
            values = " | ".join(cell(scores[name].of(score, rate, lead)) for score, rate in columns)
            lines.append(f"| +{lead} steps | {name} | {values} |")
    if members:
        columns = [("crps", None), ("brier", 1.0), ("brier", 5.0)]
        titles = ["CRPS mm/h", "Brier 1 mm/h", "Brier 5 mm/h"]
        lines += ["", f"| lead | ensemble of {members} | {' | '.join(titles)} |", "| --- | --- |" + " ---: |" * 3]
        for lead in LEADS[1:]:
            for name in ("raincell", "STEPS"):
                values = " | ".join(cell(scores[name].of(score, rate, lead), 4) for score, rate in columns)
                lines.append(f"| +{lead} steps | {name} | {values} |")
    return lines


def flat_events(wanted, folder):
    """(name, folder of flat files) of each event asked for; simulated rain where there are no real data."""
    data = os.environ.get("RAINCELL_TEST_DATA", os.path.join(ROOT, "..", "shared", "data"))
    found = sorted(glob.glob(os.path.join(data, "composites", "*", "")))
    names = {os.path.basename(os.path.dirname(path)): path for path in found}
    if names:
        chosen = names if wanted == ["all"] else {name: names[name] for name in wanted if name in names}
        if not chosen:
            sys.exit(f"no such event; there are {', '.join(names)}")
        for name, path in chosen.items():
            flat = os.path.join(folder, name)
            os.mkdir(flat)
            write_flat(flat, *composites(path))
            yield name, flat
        return
    flat = os.path.join(folder, "simulated")
    os.mkdir(flat)
    example = ["cargo", "run", "--release", "--quiet", "-p", "raincell-simulator", "--example", "write_rain_fields"]
    subprocess.run([*example, "--", "7", "40", flat], check=True, cwd=ROOT)
    yield "simulated", flat


def update_readme(lines):
    path = os.path.join(ROOT, "README.md")
    text = open(path).read()
    if BEGIN not in text or END not in text:
        sys.exit(f"README.md has no lines `{BEGIN}` and `{END}`")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", nargs="+", default=["mch_20150515"])
    parser.add_argument("--starts", type=int, default=3, help="start times an event")
    parser.add_argument("--members", type=int, default=24, help="of the ensembles, at each event's first start")
    parser.add_argument("--update", action="store_true", help="write the tables into README.md")
    asked = parser.parse_args()

    ours, theirs, scores, used, shapes = Seconds(), Seconds(), {}, [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, flat in flat_events(asked.events, folder):
            fields, cell_km = read_flat(flat)
            stamps, stack = list(fields), list(fields.values())
            shapes[name] = stack[0].shape
            step_min = minutes(stamps[FIRST_START]) - minutes(stamps[FIRST_START - 1])
            for number in range(asked.starts):
                start = FIRST_START + number * START_EVERY
                observed = stack[start + 1 : start + 1 + STEPS]
                if len(observed) < STEPS:
                    break
                members = asked.members if number == 0 else 0
                best, drawn = run_raincell(flat, stamps[start], shapes[name], members, ours)
                others, steps = run_pysteps(stack[start - 3 : start + 1], step_min, cell_km, members, theirs)
                found = {"raincell `best`": best, **others, "persistence": [stack[start]] * STEPS}
                for method, nowcast in found.items():
                    scores.setdefault(method, Scores()).deterministic(nowcast, observed)
                if members:
                    scores.setdefault("raincell", Scores()).ensemble(drawn, observed)
                    scores.setdefault("STEPS", Scores()).ensemble(steps, observed)
                used.append(f"{name} {stamps[start]}")
                print(f"{used[-1]} done", file=sys.stderr)
    # Ours without an ensemble has no time for one.
    ours["ensemble_s"] = [s for s in ours.get("ensemble_s", []) if s > 0]
    shape = next(iter(shapes.values()))
    lines = [
        f"{os.cpu_count()} cores ({platform.machine()}), {', '.join(used)} UTC; medians, without input and output;"
        f" load average {os.getloadavg()[1]:.0f}.",
        "",
        *speed_table(ours, theirs, shape, asked.members),
        "",
        *skill_table(scores, asked.members),
    ]
    print("\n".join(lines))
    if asked.update:
        update_readme(lines)


main()
