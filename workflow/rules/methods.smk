# Training and restoring take all cores and go first: scoring, of one core a job, then runs side by side
# rather than alone between two of them.
rule train:
    input:
        taught,
        sources.sources("benchmark.training.loop"),
        lambda w: sources.sources(f"methods.{method_of(w)}"),
        FOLDER.path / "pulled.txt",
        ancient(FOLDER.images),
    output:
        FOLDER.training("{method}", "{seed}") / "training.json",
    log:
        FOLDER.log("train", "{method}", "seed{seed}"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: workflow.cores
    resources:
        gpu=PROCESSES,
        processes=PROCESSES,
        attempt=lambda w, attempt: attempt,
    params:
        config=CONFIG,
        settings=lambda w: settings_of(
            w, "parameters", "training", "weathers", "weights"
        ),
    shell:
        "python -m benchmark train --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --processes {resources.processes}"
        " --attempt {resources.attempt} 2>&1 | tee {log}"


# All cores, because its times are measured: nothing may run beside it.
rule restore:
    input:
        sources.sources("benchmark.restoring.dataset"),
        lambda w: sources.sources(f"methods.{method_of(w)}"),
        trained,
        FOLDER.images,
    output:
        FOLDER.restored("{method}", "{variant}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("restore", "{method}", "{variant}", "seed{seed}", "{dataset}"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: workflow.cores
    resources:
        gpu=1,
        attempt=lambda w, attempt: attempt,
    params:
        config=CONFIG,
        settings=lambda w: settings_of(w, "parameters", "variant", "weathers"),
    shell:
        "python -m benchmark restore-dataset --config {params.config:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed}"
        " --dataset {wildcards.dataset:q} --attempt {resources.attempt} 2>&1 | tee {log}"


rule score:
    input:
        sources.sources("benchmark.scoring.score"),
        restored,
    output:
        FOLDER.scores("{method}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("score", "{method}", "seed{seed}", "{dataset}"),
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        settings=lambda w: settings_of(w, "variants", "protocols"),
    shell:
        "python -m benchmark score-dataset --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --dataset {wildcards.dataset:q} 2>&1 | tee {log}"
