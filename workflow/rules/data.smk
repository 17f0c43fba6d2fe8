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


rule images:
    """Check the data sets and list their images with checksums."""
    input:
        FOLDER.path / "pulled.txt",
        [f"config/datasets/{name}.yaml" for name in {*RUN.datasets, RUN.train_on}],
    output:
        FOLDER.images,
    log:
        FOLDER.path / "logs/images.log",
    params:
        datasets={
            name: choice.model_dump_json() for name, choice in RUN.datasets.items()
        },
    shell:
        "{BENCHMARK} images --config {CONFIG:q} 2>&1 | tee {log}"


rule check:
    """Check the configuration before anything long starts."""
    input:
        CONFIG,
    output:
        FOLDER.path / "checked.txt",
    log:
        FOLDER.path / "logs/check.log",
    shell:
        "{BENCHMARK} check --config {CONFIG:q} 2>&1 | tee {log}"
