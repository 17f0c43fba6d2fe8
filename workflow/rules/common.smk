# Processes of a training, one for each GPU of a machine: --config processes=4.
PROCESSES = int(config["processes"]) if "processes" in config else None


def gpus():
    """How many GPUs of this machine the workflow may use; None without a limit, as on a cluster."""
    if workflow.non_local_exec or "gpu" not in workflow.global_resources:
        return None
    return int(workflow.global_resources["gpu"].value)


@cache
def start():
    """What comes before planning (benchmark/jobs/start.py); once, and not in a dry run.

    Returns the identities of the jobs, for which the data are listed, or None.
    """
    if workflow.dryrun or not workflow.is_main_process:
        return None
    cores = None if workflow.non_local_exec else workflow.cores
    try:
        return jobs_start.start(RUN, CONFIG, FOLDER, cores, PROCESSES, gpus())
    except UserError as error:
        sys.exit(f"error: {error}")  # to an exception, Snakemake would add a traceback


@cache
def identities():
    """What decides the result of each job. Read when it is needed, and not for --unlock."""
    return start() or Identities(RUN, resolve.recorded(FOLDER))


def images_table(wildcards):
    """The test images; nothing in a dry run before the first start."""
    start()
    return FOLDER.images if FOLDER.images.exists() else []


@cache
def machine():
    """What the run has recorded of this machine."""
    start()
    return resolve.recorded(FOLDER) or resolve.Resolved(processes=PROCESSES or 1)


def training_cores(wildcards):
    """Of each process of a training: its threads, or its loader processes if they are more."""
    settings = RUN.training_of(wildcards.method)
    return machine().processes * max(settings.threads, settings.workers)


def training_gpus(wildcards):
    """One for each process; none on a machine without GPUs, where trainings run side by side."""
    return 0 if machine().device == "cpu" else machine().processes


def restoring_cores(wildcards):
    """All, because it measures times: no other job may run beside it; on GPUs its share of them."""
    side_by_side = gpus() if machine().device == "cuda" else None
    return max(1, workflow.cores // (side_by_side or 1))


def identity_of(work, *names):
    """A function of a job's wildcards, those named here: the digest of its identity.

    work: see `records.identity_of`.
    """

    def digest(wildcards):
        unit = [int(wildcards[n]) if n == "seed" else wildcards[n] for n in names]
        return records.identity_of(identities(), work, unit).digest

    return digest


def meaning_of(*functions):
    """A digest of what some functions of the suite mean, without comments and docstrings."""
    return reach.reached_by(*functions).digest


def own_training(wildcards):
    """The training of the entry, if its method is trained."""
    if not learns(RUN.method_of(wildcards.method)):
        return []
    return FOLDER.training(wildcards.method, wildcards.seed) / "training.json"


def restored_tables(wildcards):
    """The restored images of all variants of an entry; one job scores them."""
    return [
        FOLDER.restored(wildcards.method, variant, wildcards.seed, wildcards.dataset)
        for variant in RUN.variants_of(wildcards.method)
    ]


def earlier_trainings(wildcards):
    """Those of the teacher, of the entry with the initial weights and of the shorter training."""
    label = wildcards.method
    entry = RUN.entry(label)
    if not RUN.trains(label):
        return []
    earlier = {entry.teacher, RUN.initial_entry_of(label), entry.goes_on_from} - {None}
    return [FOLDER.training(name, wildcards.seed) / "training.json" for name in earlier]
