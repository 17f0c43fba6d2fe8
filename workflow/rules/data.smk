rule images:
    """Check the data sets and list their images with checksums."""
    output:
        FOLDER.images,
    log:
        FOLDER.path / "logs/images.log",
    conda:
        ENVIRONMENT
    params:
        config=FOLDER.config,
        identity=lambda w: identities().images().digest,
    message:
        "check the data sets, list their images"
    shell:
        "python -m benchmark images --config {params.config:q} 2>&1 | tee {log}"
