"""The measurements as text and as a picture: ratios, the targets, tables, bars."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Sections = dict[str, dict[str, Any]]

# what, its rows (cell, what), ours, the peer, the geometric mean that it is to reach, and what no shape may stay under
TARGETS: list[tuple[str, str, str, str, float, float]] = [
    *((f"{kind} {what}", ours, "torch.nn", kind, mean, least)
      for kind, mean, least in (("GRU", 4.0, 1.5), ("RNN", 5.5, 2.0), ("LSTM", 1.6, 0.95))
      for ours in (("auto", "cpp") if kind == "LSTM" else ("cpp",))
      for what in ("inference", "training")),
    *((f"{kind} inference", "cpp by itself", "onnxruntime", kind, mean, 1.0) for kind, mean in (("LSTM", 1.4), ("GRU", 2.0), ("RNN", 4.0))),
]  # fmt: skip
LOOPS = ["relu LSTM", "layer-norm LSTM", "peephole LSTM", "dropout LSTM", "MGU", "reset-before GRU"]


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def rows_of(sections: Sections, cell: str, what: str) -> list[Row]:
    """The rows of a cell in all sections, except those that measure something else (lengths, the invariant mode, small calls, shares, bfloat16)."""
    own = [name for name in sections if name not in ("lengths", "invariant", "small", "shares") and not name.startswith("bfloat16")]
    return [row for name in own for row in sections[name]["rows"] if (row["cell"], row["what"]) == (cell, what)]


def ratios(rows: list[Row], ours: str, peer: str, best: bool = False) -> list[float]:
    """How many times as long the peer takes, by row; medians, or the best times."""
    times = [row["ms_median_best"] for row in rows]
    return [entry[peer][best] / entry[ours][best] for entry in times if peer in entry and ours in entry]


def at_peak(row: Row, peer: str, peak: float) -> float | None:
    """The ratio of a loop whose products ran at the measured peak and whose activations took no time; None where it is unknown."""
    times = row["ms_median_best"]
    return times[peer][0] * peak * 1e6 / row["operations"] if peer in times and row["operations"] else None


def limit_ms(row: Row, about: dict[str, Any], bfloat16: bool = False) -> float:
    """How long the machine itself needs for a shape, in ms: its products at the measured peak, or its arrays once through the memory, whichever is longer."""
    batch, steps, features, hidden = row["shape"]
    numbers = batch * steps * (features + hidden) * (2 if row["what"] == "training" else 1)  # x and the output, and in training their gradients
    by_products = row["operations"] / about["peak_gflops_bfloat16" if bfloat16 else "peak_gflops"] / 1e6
    return float(max(by_products, numbers * 4 / about["bandwidth_gb_s"] / 1e6))


def verdict(name: str, values: list[float], bests: list[float], mean: float, least: float, at_most: bool = False) -> list[str]:
    """A line of the table of targets."""
    found, edge = geometric_mean(values), max(values) if at_most else min(values)
    met = edge <= mean if at_most else found >= mean and edge >= least
    wanted = f"≤ {mean:g}" if at_most else f"≥ {mean:g}" + (f", never < {least:g}" if least else "")
    return [name, wanted, f"{found:.2f}", f"{edge:.2f}", f"{geometric_mean(bests):.2f}", "met" if met else "missed"]


def targets(sections: Sections) -> Iterator[list[str]]:
    """Each target, what was measured (mean and worst of the medians, mean of the best times), and whether it is met."""
    for title, ours, peer, kind, mean, least in TARGETS:
        rows = rows_of(sections, kind, title.rpartition(" ")[2])
        values = ratios(rows, ours, peer)
        if values:
            peak = sections[kind.lower()]["about"]["peak_gflops"]
            highest = geometric_mean([found for row in rows if (found := at_peak(row, peer, peak))])
            yield [*verdict(f"{title}, {ours}, against {peer}", values, ratios(rows, ours, peer, True), mean, least), f"{highest:.2f}"]
    for name in LOOPS:
        rows = rows_of(sections, name, "training")
        if rows:
            values = ratios(rows, "cpp", "eager loop")
            yield verdict(f"{name} training, against the eager loop", values, ratios(rows, "cpp", "eager loop", True), 15, 5)
            least = 0.5 if name == "layer-norm LSTM" else 0.7
            yield verdict(f"{name}: GFLOP/s over our LSTM's", relative_rates(rows, False), relative_rates(rows, True), least, 0)
    for kind, mean in (("LSTM", 1.3), ("GRU", 2.0), ("RNN", 2.0)):
        rows = sections.get(f"bfloat16-{kind.lower()}", {}).get("rows", [])
        for what in ("inference", "training"):
            chosen = [row for row in rows if row["what"] == what]
            if chosen:
                values = ratios(chosen, "bfloat16", "torch.nn")
                yield verdict(f"{kind} {what} in bfloat16, against torch.nn in bfloat16", values, ratios(chosen, "bfloat16", "torch.nn", True), mean, 1)
    if "bfloat16-cells" in sections:
        rows = sections["bfloat16-cells"]["rows"]
        yield verdict("other cells: training in bfloat16, against ours in float32", ratios(rows, "bfloat16", "float32"), ratios(rows, "bfloat16", "float32", True), 1.6, 0)
    for kind in ("LSTM", "GRU", "RNN"):
        rows = [row for row in rows_of(sections, kind, "training") if row["shape"][3] >= 128 and row["shape"][0] >= 8]
        about = sections.get(kind.lower(), {}).get("about", {})
        if rows and "bandwidth_gb_s" in about:
            values, bests = ([limit_ms(row, about) / row["ms_median_best"]["cpp"][best] for row in rows] for best in (False, True))
            yield verdict(f"{kind} training, of the limit (H ≥ 128, B ≥ 8)", values, bests, 0.6, 0.6)
    if "small" in sections:
        values, bests = ([row["ms_median_best"]["auto"][best] * 1e3 for row in sections["small"]["rows"]] for best in (False, True))
        yield verdict("a small call, µs", values, bests, 25, 0, at_most=True)
    for row, least in zip(sections.get("step", {}).get("rows", []), (4.0, 1.2)):
        for ours, said, goal in (("stream", "against onnxruntime", least), ("stream, bfloat16", "in bfloat16, against onnxruntime in float32", 2), ("stream, int8", "in int8, against onnxruntime in float32", 3)):
            values, bests = (ratios([row], f"{ours} by itself", "onnxruntime", best) for best in (False, True))
            if values:
                yield verdict(f"one step {size(row)} {said}", values, bests, goal, 0)
    if "invariant" in sections:
        rows = sections["invariant"]["rows"]
        values = [1 / value for value in ratios(rows, "invariant", "default")]
        bests = [1 / value for value in ratios(rows, "invariant", "default", True)]
        yield verdict("invariant mode: time over the default's", values, bests, 1.3, 0, at_most=True)
    if "lengths" in sections:
        rows = sections["lengths"]["rows"]
        values = [share(row, False) for row in rows]
        yield verdict("lengths: time over (share of steps × whole)", values, [share(row, True) for row in rows], 1.3, 0, at_most=True)
        yield verdict("lengths: the same, mean", [geometric_mean(values)], [geometric_mean([share(row, True) for row in rows])], 1.15, 0, at_most=True)
    if "compile" in sections:
        rows = [row for row in sections["compile"]["rows"] if row["cell"] != "time loop"]
        for name, limit in (("cold", 3000.0), ("warm from disk", 20.0)):
            values = [row["ms_median_best"][name][0] for row in rows]
            yield verdict(f"compile a cell, {name}, ms", [max(values)], [min(values)], limit, 0, at_most=True)
    if "memory" in sections:
        values = [row["mb"]["cpp"] / row["mb"]["torch.nn"] for row in sections["memory"]["rows"]]
        yield verdict("training: peak memory over torch.nn's", values, values, 1.0, 0, at_most=True)


def relative_rates(rows: list[Row], best: bool) -> list[float]:
    """A cell's GFLOP/s as a share of our LSTM's, by row."""
    shares = [row["operations"] / row["operations of our LSTM"] for row in rows]
    return [share * ratio for share, ratio in zip(shares, ratios(rows, "cpp", "our LSTM", best), strict=True)]


def share(row: Row, best: bool) -> float:
    """The time with lengths over the time that the steps alone would take."""
    times = row["ms_median_best"]
    return times["lengths"][best] / times["whole"][best] / row["share of steps"]  # type: ignore[no-any-return]


def size(row: Row) -> str:
    return "×".join(map(str, row["shape"]))


def table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def markdown(sections: Sections) -> str:
    """The page: targets, then every section with its own circumstances."""
    text = ["# The CPU engine beside its peers\n", "Written by bench/cpu.py. Ratios: the peer's time over ours (medians; ×). Shapes: B×T×I×H. At peak: the ratio if all\n"
            "products ran as fast as float32 products in registers (on matrix units where the processor has them) and nothing else took\n"
            "time, which no loop reaches. Of the limit: of the speed at which the machine itself would do it, with its products at the peak and its arrays once\nthrough the memory, whichever takes longer.\n"]
    lines = [[*line, *[""] * (7 - len(line))] for line in targets(sections)]
    text.append(table(["target", "to reach", "mean", "worst", "mean of best times", "", "at peak"], lines))
    for name, section in sections.items():
        about = section["about"]
        text.append(
            f"## {name}\n\n{about['processor']}, {about['threads']} threads, load {about['load']}, peak {about['peak_gflops']} GFLOP/s, "
            f"torch {about['torch']}, {about['compiler']}; {about['measured']}, {section['seconds']:.0f} s\n"
        )
        text.append(_section(section))
    return "\n".join(text)


SHOWN = [("LSTM", "auto", "torch.nn", ("inference", "training")), ("GRU", "cpp", "torch.nn", ("inference", "training")),
         ("RNN", "cpp", "torch.nn", ("inference", "training")), *((name, "cpp", "eager loop", ("training",)) for name in LOOPS)]  # fmt: skip


def summary(sections: Sections) -> str:
    """The table of README.md: how many times as long the peer takes, geometric mean over the shapes and range."""
    lines = []
    for cell, ours, peer, kinds in SHOWN:
        line = [cell, "a loop" if peer == "eager loop" else "torch.nn"]
        for what in ("inference", "training"):
            values = ratios(rows_of(sections, cell, what), ours, peer) if what in kinds else []
            line.append(f"**{geometric_mean(values):.1f}** ({min(values):.1f} to {max(values):.1f})" if values else "–")
        lines.append(line)
    about = next(iter(sections.values()))["about"]
    where = f"{about['processor']}, {about['threads']} threads, torch {about['torch']}"
    return table(["cell", "beside", "inference", "training"], lines) + f"\nTimes as fast as torch.nn, or as a loop in PyTorch over the same cell: geometric mean over seven shapes, and the range. {where}; float32.\n"


def _section(section: dict[str, Any]) -> str:
    rows, about = section["rows"], section["about"]
    narrow = next(iter(rows[0].get("ms_median_best", {})), "") == "bfloat16"
    peak = about["peak_gflops_bfloat16"] if narrow else about["peak_gflops"]
    if "mb" in rows[0]:
        return table(["cell", "shape", *(f"{n}, MB" for n in rows[0]["mb"])], [[r["cell"], size(r), *(f"{v:.0f}" for v in r["mb"].values())] for r in rows])
    if "us" in rows[0]:
        head = ["cell", "shape", "what", "a call, µs", "in the loops, µs", "around them, µs", "the loops alone, of the limit", "in the loops, weights packed before, µs", "around them, caches cold, µs"]
        lines = []
        for row in rows:
            whole, loops = row["us"]["call"], row["us"]["loops"]
            lines.append([row["cell"], size(row), row["what"], f"{whole:.0f}", f"{loops:.0f}", f"{whole - loops:.0f}", f"{limit_ms(row, about) * 1e3 / loops:.2f}", *(f"{row['us'][name]:.0f}" if name in row["us"] else "" for name in ("loops, packed before", "around, cold"))])
        return table(head, lines)
    names = list(dict.fromkeys(name for row in rows for name in row["ms_median_best"]))
    ours = names[0]
    head = ["cell", "shape", "what", *(f"{name}, ms" for name in names)]
    rated = any(row["operations"] for row in rows)
    peer = "torch.nn" if "torch.nn" in names else None
    limited = rated and "bandwidth_gb_s" in about
    head += [*(f"{name} ×" for name in names[1:]), "GFLOP/s", "of peak", *(["of the limit"] if limited else []), *(["at peak, torch.nn ×"] if peer else [])] if rated else []
    lines = []
    for row in rows:
        times = row["ms_median_best"]
        line = [row["cell"], size(row), row["what"], *(f"{times[name][0]:.4g}" if name in times else "" for name in names)]
        if rated:
            rate = row["operations"] / times[ours][0] / 1e6
            line += [f"{times[name][0] / times[ours][0]:.2f}" if name in times else "" for name in names[1:]]
            line += [f"{rate:.0f}", f"{rate / peak:.2f}", *([f"{limit_ms(row, about, narrow) / times[ours][0]:.2f}"] if limited else []), *([f"{at_peak(row, peer, peak):.2f}"] if peer else [])]
        lines.append(line)
    return table(head, lines)


def plot(sections: Sections, path: Path) -> None:
    """Bars of the ratios in training, one panel per cell; does nothing without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in ("LSTM", "GRU", "RNN", *LOOPS) if rows_of(sections, kind, "training")]
    if not kinds:
        return
    height = -(-len(kinds) // 3)
    figure, axes = pyplot.subplots(height, 3, figsize=(15, 3.2 * height), squeeze=False)
    for axis, kind in zip(axes.flat, kinds):
        rows = rows_of(sections, kind, "training")
        peer = "torch.nn" if "torch.nn" in rows[0]["ms_median_best"] else "eager loop"
        ours = [name for name in ("cpp", "auto") if name in rows[0]["ms_median_best"]]
        for place, name in enumerate(ours):
            positions = [number + (place - (len(ours) - 1) / 2) * 0.4 for number in range(len(rows))]
            axis.bar(positions, ratios(rows, name, peer), 0.8 / len(ours), color=("#35618f", "#9db8d2")[place], label=name)
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set_xticks(range(len(rows)), ["\n".join(map(str, row["shape"])) for row in rows], fontsize=7)
        axis.set_title(f"{kind}: training, times as fast as {peer}", fontsize=9)
        axis.legend(fontsize=7)
    for axis in axes.flat[len(kinds) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
