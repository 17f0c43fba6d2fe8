def method_of(wildcards):
    return RUN.method_of(wildcards.method)


def settings_of(wildcards, *parts):
    """The part of the configuration that a job depends on: a change of it re-runs the job."""
    entry = RUN.entry(wildcards.method)
    known = {
        "parameters": entry.parameters,
        "training": RUN.training_of(wildcards.method).model_dump(mode="json"),
        "variant": RUN.variants_of(wildcards.method).get(wildcards.get("variant")),
        "protocols": RUN.protocols,
    }
    return json.dumps([entry.method, *(known[part] for part in parts)])


def trained(wildcards):
    """The training that a restoring job needs, if its method learns."""
    if not registry.learns(method_of(wildcards)):
        return []
    return FOLDER.training(wildcards.method, wildcards.seed) / "training.json"


def taught(wildcards):
    """The training of the entry that a method is distilled from, if any."""
    teacher = RUN.entry(wildcards.method).teacher
    return FOLDER.training(teacher, wildcards.seed) / "training.json" if teacher else []


rule train:
    input:
        taught,
        registry.sources("benchmark.training"),
        lambda w: registry.sources(f"methods.{method_of(w)}"),
        FOLDER.path / "pulled.txt",
        ancient(FOLDER.images),
    output:
        FOLDER.training("{method}", "{seed}") / "training.json",
    log:
        FOLDER.path / "logs/train/{method}-seed{seed}.log",
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        settings=lambda w: settings_of(w, "parameters", "training"),
    shell:
        "{TRAIN} train --config {CONFIG:q} --method {wildcards.method:q}"
        " --seed {wildcards.seed} 2>&1 | tee {log}"


# All cores, because its times are measured: nothing may run beside it.
rule restore:
    input:
        registry.sources("benchmark.restoring"),
        lambda w: registry.sources(f"methods.{method_of(w)}"),
        trained,
        FOLDER.images,
    output:
        FOLDER.restored("{method}", "{variant}", "{seed}", "{dataset}"),
    log:
        FOLDER.path / "logs/restore/{method}-{variant}-seed{seed}-{dataset}.log",
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        settings=lambda w: settings_of(w, "parameters", "variant"),
    shell:
        "{BENCHMARK} restore-dataset --config {CONFIG:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed}"
        " --dataset {wildcards.dataset:q} 2>&1 | tee {log}"


rule score:
    input:
        registry.sources("benchmark.scoring"),
        restored=FOLDER.restored("{method}", "{variant}", "{seed}", "{dataset}"),
    output:
        FOLDER.scores("{method}", "{variant}", "{seed}", "{dataset}"),
    log:
        FOLDER.path / "logs/score/{method}-{variant}-seed{seed}-{dataset}.log",
    params:
        settings=lambda w: settings_of(w, "protocols"),
    shell:
        "{BENCHMARK} score-dataset --config {CONFIG:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed}"
        " --dataset {wildcards.dataset:q} 2>&1 | tee {log}"
