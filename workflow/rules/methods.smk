# On a CPU, trainings run side by side: a second thread makes none of them faster, and two trainings of
# two threads on two cores wait for each other. Training and restoring have priority; scoring jobs, of one
# core each, then run side by side at the end, and not one by one between the others.
rule train:
    input:
        earlier_trainings,
    output:
        FOLDER.training("{method}", "{seed}") / "training.json",
    log:
        FOLDER.log("train", "{method}", "seed{seed}"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: training_cores
    resources:
        gpu=training_gpus,
        attempt=lambda w, attempt: attempt,
    params:
        config=FOLDER.config,
        identity=identity_of("train", "method", "seed"),
    message:
        "train {wildcards.method}, seed {wildcards.seed}"
    shell:
        "python -m benchmark train --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --attempt {resources.attempt} --identity {params.identity}"
        " 2>&1 | tee {log}"


# A GPU, or all cores, for itself, because it measures times (benchmark/jobs/gpus.py).
rule restore:
    input:
        own_training,
    output:
        FOLDER.restored("{method}", "{variant}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("restore", "{method}", "{variant}", "seed{seed}", "{dataset}"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: restoring_cores
    resources:
        gpu=1,
        attempt=lambda w, attempt: attempt,
    params:
        config=FOLDER.config,
        identity=identity_of("restore", "method", "variant", "seed", "dataset"),
    message:
        "restore {wildcards.dataset} with {wildcards.method} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m benchmark restore-dataset --config {params.config:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed}"
        " --dataset {wildcards.dataset:q} --attempt {resources.attempt}"
        " --identity {params.identity} 2>&1 | tee {log}"


rule score:
    input:
        restored_tables,
    output:
        FOLDER.scores("{method}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("score", "{method}", "seed{seed}", "{dataset}"),
    conda:
        ENVIRONMENT
    params:
        config=FOLDER.config,
        identity=identity_of("score", "method", "seed", "dataset"),
    message:
        "score {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m benchmark score-dataset --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --dataset {wildcards.dataset:q} --identity {params.identity}"
        " 2>&1 | tee {log}"


# Scores of sets of images. A job of its own: a further protocol of sets scores no image again.
rule score_sets:
    input:
        restored_tables,
    output:
        FOLDER.set_scores("{method}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("score-sets", "{method}", "seed{seed}", "{dataset}"),
    conda:
        ENVIRONMENT
    params:
        config=FOLDER.config,
        identity=identity_of("score-sets", "method", "seed", "dataset"),
    message:
        "score {wildcards.method} on {wildcards.dataset} as sets, seed {wildcards.seed}"
    shell:
        "python -m benchmark score-sets --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --dataset {wildcards.dataset:q} --identity {params.identity}"
        " 2>&1 | tee {log}"


# Scores of the samples of an image together, of entries with a variant that draws some.
rule score_samples:
    input:
        restored_tables,
    output:
        FOLDER.sample_scores("{method}", "{seed}", "{dataset}"),
    log:
        FOLDER.log("score-samples", "{method}", "seed{seed}", "{dataset}"),
    conda:
        ENVIRONMENT
    params:
        config=FOLDER.config,
        identity=identity_of("score-samples", "method", "seed", "dataset"),
    message:
        "score the samples of {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m benchmark score-samples --config {params.config:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} --dataset {wildcards.dataset:q} --identity {params.identity}"
        " 2>&1 | tee {log}"
