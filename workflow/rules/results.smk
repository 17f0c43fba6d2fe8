SETS = records.set_units(RUN)
SAMPLES = records.sample_units(RUN)
FURTHER_SCORES = [
    *([FOLDER.path / "set_scores.csv"] if SETS else []),
    *([FOLDER.path / "sample_scores.csv"] if SAMPLES else []),
]


# Shows that 'collect' has run here, with which entries. It is not in git. Without it, tables that come with
# the repository would count as made here, and nothing would be trained
# (findings/snakemake_takes_committed_tables_for_those_of_a_run.sh).
COLLECTED = FOLDER.identity("collect", "board")


rule collect:
    input:
        [FOLDER.scores(*unit) for unit in score_units(RUN)],
        [FOLDER.set_scores(*unit) for unit in SETS],
        [FOLDER.sample_scores(*unit) for unit in SAMPLES],
        [FOLDER.restored(*unit) for unit in units(RUN)],
        sorted(FOLDER.path.glob("submissions/[!.]*/*.*")),
    output:
        FOLDER.path / "scores.csv",
        FOLDER.path / "cost.csv",
        FOLDER.path / "methods.json",
        FOLDER.path / "manifest.json",
        FURTHER_SCORES,
        COLLECTED,
    log:
        FOLDER.path / "logs/collect.log",
    conda:
        ENVIRONMENT
    params:
        config=FOLDER.config,
        source=CONFIG,
        identity=lambda w: identities().board().digest,
        # The methods' cards are among what it writes.
        sources=meaning_of(
            "benchmark.jobs.collect:collect",
            *sorted({f"methods.{RUN.method_of(label)}:*" for label in RUN.methods}),
        ),
    message:
        "join the tables"
    shell:
        "python -m benchmark collect --config {params.config:q} --source {params.source:q} 2>&1 | tee {log}"


TABLES = [
    *(FOLDER.path / name for name in ("scores.csv", "cost.csv", "methods.json")),
    *FURTHER_SCORES,
    COLLECTED,
]
REPORT_PARTS = [
    path
    for folder in ("templates", "static")
    for path in sorted(paths.find(f"benchmark/report/{folder}").rglob("*"))
    if path.is_file()
]


rule leaderboard:
    input:
        images_table,
        TABLES,
        FOLDER.path / "manifest.json",
        paths.find("config/published.yaml"),
        sorted(paths.find("config/weights").glob("*.yaml")),
    output:
        report(
            FOLDER.path / "leaderboard.csv",
            caption="../report/leaderboard.rst",
            category="Leaderboard",
            labels={"what": "all numbers"},
        ),
        FOLDER.path / "leaderboard.md",
        FOLDER.path / "comparisons.csv",
        FOLDER.path / "comparisons.md",
        FOLDER.path / "leaderboard.tex",
        FOLDER.path / "leaderboard.json",
        FOLDER.path / "leaderboard.notes.json",
        [FOLDER.path / "uncertainty.csv"] if SAMPLES else [],
        FOLDER.path / "against_input.csv",
    log:
        FOLDER.path / "logs/leaderboard.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
        sources=meaning_of("benchmark.board.write:write_leaderboard"),
    message:
        "make the leaderboard and the comparisons"
    shell:
        "python -m benchmark leaderboard {params.folder:q} 2>&1 | tee {log}"


rule figures:
    input:
        images_table,
        TABLES,
        rules.leaderboard.output,
    output:
        report(
            directory(FOLDER.path / "figures"),
            patterns=["{dataset}/{figure}.png"],
            caption="../report/figures.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "{figure}"},
        ),
    log:
        FOLDER.path / "logs/figures.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
        sources=meaning_of("benchmark.report.figures.draw:draw_figures"),
    message:
        "draw the figures"
    shell:
        "python -m benchmark figures {params.folder:q} 2>&1 | tee {log}"


rule report:
    input:
        images_table,
        TABLES,
        FOLDER.path / "manifest.json",
        FOLDER.path / "figures",
        rules.leaderboard.output,
        REPORT_PARTS,
    output:
        directory(FOLDER.path / "report"),
    log:
        FOLDER.path / "logs/report.log",
    conda:
        ENVIRONMENT
    params:
        folder=FOLDER.path,
        sources=meaning_of("benchmark.report.build:build_report"),
    message:
        "build the report"
    shell:
        "python -m benchmark report {params.folder:q} 2>&1 | tee {log}"
