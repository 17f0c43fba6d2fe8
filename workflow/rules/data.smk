rule pull:
    """Fetch the data from the DVC remote, unless they are there already."""
    input:
        "data.dvc",
    output:
        FOLDER.path / "pulled.txt",
    log:
        FOLDER.path / "logs/pull.log",
    shell:
        "{DVC} pull --quiet data.dvc > {log} 2>&1 && cp {input} {output}"


rule check:
    """Check configuration, methods and data before anything long starts."""
    input:
        FOLDER.path / "pulled.txt",
        CONFIG,
        [f"config/datasets/{name}.yaml" for name in RUN.datasets],
    output:
        FOLDER.images,
    log:
        FOLDER.path / "logs/check.log",
    shell:
        "{BENCHMARK} check --config {CONFIG:q} 2>&1 | tee {log}"
