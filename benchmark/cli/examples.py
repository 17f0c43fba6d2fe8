"""Examples below the help of each verb: commands to copy."""

import typer

from benchmark.core.environment import PROGRAM

EXAMPLES = {
    "restore": (
        "restore photo.jpg --out restored",
        "restore holiday/ --out restored --recursive --budget 60 --compare",
        "restore photo.jpg --out restored --weather haze --strength 0.6",
        "restore photo.jpg --out restored --method conditional_diffusion --steps 4",
    ),
    "change-table": ("change-table --out results/reference",),
    "held-out-table": ("held-out-table --out results/reference",),
    "ui": ("ui", "ui --browser --port 8000"),
    "list": ("list", "list datasets", "list metrics --json"),
    "new-method": ("new-method my_filter", "new-method my_network --learned"),
    "score": (
        "score --restored DIR --target DIR --out scores.csv",
        "score --restored DIR --out scores.csv --protocol no-reference",
        "score --restored DIR --card outdoor_rain --out scores.csv",
        "score --restored DIR --target DIR --pair '(\\d+)' --out scores.csv",
    ),
    "protocols": ("protocols",),
    "comparisons": ("comparisons results/default",),
    "compare": ("compare results/default results/other --out differences.csv",),
    "merge": ("merge results/here results/there --out results/both",),
    "submit": ("submit DIR --method mine --run results/default --supervision paired",),
    "retry": (
        "retry --config config/reference.yaml",
        "retry --status timed-out --method unet --config config/reference.yaml",
    ),
    "published": ("published results/default",),
    "export": (
        "export results/default --format every-eval-ever",
        "export results/default --format croissant --out DIR",
    ),
    "fetch": ("fetch rain100l --from Rain100L.zip --accept-licence",),
    "verify": ("verify photos", "verify rain100l raindrop"),
    "pull": ("pull",),
    "run": ("run", "run --config config/smoke.yaml", "run --config mine.yaml --dry-run"),
    "plan": (
        "plan --config config/gpu.yaml --device-gflops 100000",
        "plan --against results/default",
    ),
    "profile": ("profile --out profile.json", "profile --config config/reference.yaml"),
    "loaders": ("loaders", "loaders --method nafnet --config config/gpu.yaml"),
    "why": ("why --config config/reference.yaml",),
    "resolve": ("resolve --config config/reference.yaml --cores 2",),
    "check": ("check --config config/reference.yaml",),
    "images": ("images --config config/default.yaml",),
    "train": ("train --method unet", "train --method unet --seed 1 --config config/reference.yaml"),
    "export-weights": ("export-weights --out weights --config config/reference.yaml",),
    "convert-weights": (
        "convert-weights net_latest.ckpt net.safetensors",
        "convert-weights net.pth net.safetensors --key state_dict --prefix generator_ema",
    ),
    "restore-dataset": ("restore-dataset --method unet --variant default --dataset photos",),
    "score-dataset": ("score-dataset --method unet --dataset photos",),
    "score-samples": ("score-samples --method conditional_diffusion --dataset photos",),
    "score-sets": ("score-sets --method unet --dataset photos",),
    "collect": ("collect --config config/default.yaml",),
    "leaderboard": ("leaderboard results/default",),
    "show": ("show --config config/default.yaml", "show --weather haze"),
    "figures": ("figures results/default",),
    "report": ("report results/default",),
    "make-data": ("make-data --photos DIR --weights DIR --out data",),
    "remake-pairs": ("remake-pairs --out pairs",),
    "make-sets": ("make-sets --config config/study.yaml",),
}
GENERAL = ("list", "restore photo.jpg --out restored", "VERB --help")


def add_examples(app: typer.Typer) -> None:
    """Add the examples to the help of the application and of each verb."""
    app.info.epilog = _text(GENERAL)
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        if name in EXAMPLES:
            command.epilog = _text(EXAMPLES[name])


def _text(commands: tuple[str, ...]) -> str:
    # \b: click does not join the lines.
    return "\n".join(["\b", "Examples:", *(f"  {PROGRAM} {c}" for c in commands)])
