def method_of(wildcards):
    return RUN.method_of(wildcards.method)


def settings_of(wildcards, *parts):
    """The part of the configuration that a job depends on: a change of it re-runs the job."""
    entry = RUN.entry(wildcards.method)
    known = {
        "parameters": entry.parameters,
        "weathers": RUN.weathers_of(wildcards.method),
        "weights": str(RUN.weights_of(wildcards.method, wildcards.get("seed"))),
        "training": RUN.training_of(wildcards.method).model_dump(mode="json"),
        "variant": RUN.variants_of(wildcards.method).get(wildcards.get("variant")),
        "variants": [*RUN.variants_of(wildcards.method)],
        "protocols": RUN.protocols,
    }
    return json.dumps([entry.method, *(known[part] for part in parts)])


def trained(wildcards):
    """The training that a restoring job needs, if its method learns."""
    if not sources.learns(method_of(wildcards)):
        return []
    return FOLDER.training(wildcards.method, wildcards.seed) / "training.json"


def restored(wildcards):
    """What is scored in one job: all variants of an entry."""
    return [
        FOLDER.restored(wildcards.method, variant, wildcards.seed, wildcards.dataset)
        for variant in RUN.variants_of(wildcards.method)
    ]


def taught(wildcards):
    """The training of the entry that a method is distilled from, if any."""
    teacher = RUN.entry(wildcards.method).teacher
    return FOLDER.training(teacher, wildcards.seed) / "training.json" if teacher else []
