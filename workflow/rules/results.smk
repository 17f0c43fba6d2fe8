rule collect:
    input:
        [FOLDER.scores(*unit) for unit in units(RUN)],
        [FOLDER.restored(*unit) for unit in units(RUN)],
        registry.sources("benchmark.run"),
    output:
        FOLDER.path / "scores.csv",
        FOLDER.path / "cost.csv",
        FOLDER.path / "methods.json",
        FOLDER.path / "manifest.json",
    log:
        FOLDER.path / "logs/collect.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
    shell:
        "python -m benchmark collect --config {params.config:q} 2>&1 | tee {log}"


TABLES = [
    FOLDER.images,
    *(FOLDER.path / name for name in ("scores.csv", "cost.csv", "methods.json")),
]
REPORT_PARTS = [
    path
    for folder in ("templates", "static")
    for path in sorted(Path("benchmark/report", folder).rglob("*"))
    if path.is_file()
]


rule leaderboard:
    input:
        TABLES,
        FOLDER.path / "manifest.json",
        "config/published.yaml",
        registry.sources("benchmark.leaderboard"),
    output:
        FOLDER.path / "leaderboard.csv",
        FOLDER.path / "leaderboard.md",
    log:
        FOLDER.path / "logs/leaderboard.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
    shell:
        "python -m benchmark leaderboard {params.folder:q} 2>&1 | tee {log}"


rule figures:
    input:
        TABLES,
        registry.sources("benchmark.figures"),
    output:
        directory(FOLDER.path / "figures"),
    log:
        FOLDER.path / "logs/figures.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
    shell:
        "python -m benchmark figures {params.folder:q} 2>&1 | tee {log}"


rule report:
    input:
        TABLES,
        FOLDER.path / "manifest.json",
        FOLDER.path / "figures",
        registry.sources("benchmark.report.build"),
        REPORT_PARTS,
    output:
        directory(FOLDER.path / "report"),
    log:
        FOLDER.path / "logs/report.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
    shell:
        "python -m benchmark report {params.folder:q} 2>&1 | tee {log}"
