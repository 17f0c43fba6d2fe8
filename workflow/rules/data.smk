rule pull:
    """Pull missing data from the DVC remote."""
    input:
        # A project of an installed package has no pointer, but the data themselves.
        "data.dvc" if Path("data.dvc").exists() else [],
    output:
        FOLDER.path / "pulled.txt",
    log:
        FOLDER.path / "logs/pull.log",
    conda:
        ENVIRONMENT
    shell:
        # 'dvc repro' sets DVC_STAGE: it has the data already, and locks them against a pull.
        '(test -n "${{DVC_STAGE:-}}" || python -m benchmark pull > {log} 2>&1)'
        " && cat {input} /dev/null > {output}"
        " || (cat {log}; exit 1)"


rule images:
    """Check the data sets and list their images with checksums."""
    input:
        FOLDER.path / "pulled.txt",
        [
            paths.find(f"config/datasets/{name}.yaml")
            for name in {*map(RUN.card_of, RUN.datasets), RUN.train_on}
        ],
    output:
        FOLDER.images,
    log:
        FOLDER.path / "logs/images.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        datasets={
            name: choice.model_dump_json() for name, choice in RUN.datasets.items()
        },
    shell:
        "python -m benchmark images --config {params.config:q} 2>&1 | tee {log}"
