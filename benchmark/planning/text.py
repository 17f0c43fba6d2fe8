"""Prints a plan, and a plan beside the times of a finished run."""

from benchmark.planning.earlier_run import measured_cost, measured_training
from benchmark.planning.plan import RESTORE, SCORE, TRAIN, Plan
from benchmark.results.layout import RunFolder

HEAD = f"{'work':8} {'entry':44} {'jobs':>6} {'units':>9} {'PFLOP':>10} {'time':>9}  loaders    GiB"


def as_text(plan: Plan, other_device: bool) -> str:
    """One line for each part, then the totals and their assumptions.

    other_device: whether training and restoring are planned for another device than this machine.
    """
    lines = [HEAD]
    for part in plan.parts:
        name = f"{part.entry} {part.variant}".strip()
        line = f"{part.work:8} {name:44} {part.jobs:6} {part.units:9}"
        if part.reason:
            lines.append(f"{line}  not known: {part.reason}")
            continue
        flops = f"{part.flops / 1e15:10.4g}" if part.flops else " " * 10
        loaders = f"  {part.loaders:7}" if part.loaders else ""
        memory = f"{part.memory / 2**30:7.1f}" if part.memory else ""
        line = f"{line} {flops} {duration(part.seconds):>9}{loaders or ' ' * 9}{memory}"
        lines.append(line.rstrip())
    jobs = sum(part.jobs for part in plan.parts)
    flops = sum(part.flops or 0 for part in plan.parts)
    work, scoring = plan.seconds(TRAIN, RESTORE), plan.seconds(SCORE)
    device = "device" if other_device else "machine"
    lines += [
        "",
        f"{jobs} jobs, {flops / 1e15:.4g} PFLOP, {plan.disk_bytes / 1e9:.3g} GB of results",
        f"training and restoring {duration(work)} of the {device}, "
        f"scoring {duration(scoring)} of this machine; the start of each job is not counted",
        *(f"assumed: {text}" for text in dict.fromkeys(plan.assumptions)),
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time in days, hours, minutes or seconds."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def comparison(plan: Plan, run: RunFolder) -> str:
    """Predicted and measured seconds of each training and each restored variant of a run."""
    trained, cost = measured_training(run), measured_cost(run)
    restored = cost.groupby(["method", "variant"]).seconds.agg(["sum", "count"])
    lines = ["", f"{'work':8} {'entry':44} {'predicted s':>12} {'measured s':>12} {'ratio':>7}"]
    sums: dict[str, list[float]] = {}
    for part in plan.parts:
        measured = None
        if part.work == TRAIN and part.entry in trained:
            measured = trained[part.entry]["seconds"]
        elif part.work == RESTORE and (part.entry, part.variant) in restored.index:
            measured, count = restored.loc[(part.entry, part.variant)]
            # Failed and other images have no time, nor have samples after the first.
            measured *= part.units * part.samples / max(count, 1)
        name = f"{part.entry} {part.variant}".strip()
        if part.work == SCORE or part.seconds is None:
            continue
        if not measured:
            lines.append(f"{part.work:8} {name:44} {part.seconds:12.2f} not in {run.path}")
            continue
        ratio = part.seconds / measured
        lines.append(f"{part.work:8} {name:44} {part.seconds:12.2f} {measured:12.2f} {ratio:7.2f}")
        total = sums.setdefault(part.work, [0.0, 0.0])
        total[0], total[1] = total[0] + part.seconds, total[1] + measured
    for work, (predicted, measured) in sums.items():
        ratio = predicted / measured
        lines.append(f"{work:8} {'all':44} {predicted:12.2f} {measured:12.2f} {ratio:7.2f}")
    return "\n".join(lines)
