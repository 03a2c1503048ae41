# The jobs of a profile. A chapter is added by its name and by those whose results it takes up.
#
# Where chapters are short, or drawn from published results, each is one job. Elsewhere the units of
# work are jobs (ganmc_utils.core.units): they fill the store, and the chapter is the last of them.
import os

PROFILE = config.get("profile", "quick")
OUT = f"results/{PROFILE}"
UNITS_ARE_JOBS = bool(int(config.get("units", PROFILE not in ("quick", "laptop"))))

# A cluster's profile says how many cores a job has. Here two jobs share the cores of this machine.
THREADS = int(config["threads"]) if "threads" in config else max(1, workflow.cores // 2)
CHAPTERS = {
    "00_teachers_and_gan": [],
    "01_dnn_compression": ["00_teachers_and_gan"],
    "02_p_fake_sweep": ["01_dnn_compression"],      # shares students with 01, and 05 with it
    "05_supervised_learning": ["02_p_fake_sweep"],
    "03_augmentation": ["00_teachers_and_gan"],
    "04_gan_quality": ["00_teachers_and_gan"],
    "06_random_forests": [],
    "07_compression_score": ["00_teachers_and_gan", "06_random_forests"],
}
CHAPTERS["08_scoreboard"] = list(CHAPTERS)
CHAPTERS["09_your_own_model"] = []  # judges no claim
CODE = sorted(glob_wildcards("ganmc_utils/{module}.py").module)


def profile_file(name):
    path = f"profiles/{PROFILE}/{name}.yml"
    return [path] if os.path.exists(path) else []


# The notebook appears in its place only when it ran to its end; the threads are the cores that this
# run was given.
RUN = """
export GANMC_OUT="$PWD/{params.out}" GANMC_THREADS={threads}
export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}
mkdir -p {params.out}/notebooks {params.out}/logs
papermill {input.notebook} {output.notebook}.part.ipynb {params.given} \
    2> >(tee {log} >&2) || {{ echo "{input.notebook} stopped:" >&2; tail -n 3 {log} >&2; exit 1; }}
python book/clean_notebook.py {output.notebook}.part.ipynb {output.notebook}
"""


def chapter_files(chapter):
    return {
        "notebook": f"{OUT}/notebooks/{chapter}.ipynb",
        "record": f"{OUT}/records/{chapter}.json",
    }


if UNITS_ARE_JOBS:
    from ganmc_utils.core.units import units_of

    UNITS = units_of(PROFILE)
    CHAPTERS = {unit.name: [] for unit in UNITS if unit.is_chapter}


rule all:
    input:
        f"{OUT}/notebooks/from_scratch.ipynb",
        expand(f"{OUT}/notebooks/{{chapter}}.ipynb", chapter=CHAPTERS),


for chapter, before in {} if UNITS_ARE_JOBS else CHAPTERS.items():

    rule:
        name:
            f"chapter_{chapter}"
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            profile=profile_file(chapter),
            code=expand("ganmc_utils/{module}.py", module=CODE),
            records=expand(f"{OUT}/records/{{chapter}}.json", chapter=before),
        output:
            **chapter_files(chapter),
        params:
            out=OUT,
            given=" ".join([f"-f {path}" for path in profile_file(chapter)] + [f"-p profile {PROFILE}"]),
        log:
            f"{OUT}/logs/{chapter}.log",
        threads: THREADS
        priority: sum(chapter in before for before in CHAPTERS.values())  # others wait for it
        shell:
            RUN


# Plain code: it takes no profile, uses no package and keeps no record.
rule from_scratch:
    input:
        notebook="notebooks/from_scratch.ipynb",
    output:
        notebook=f"{OUT}/notebooks/from_scratch.ipynb",
    params:
        out=OUT,
        given="",
    log:
        f"{OUT}/logs/from_scratch.log",
    threads: THREADS
    shell:
        RUN


# A unit on a cluster ends itself before its time is over, and is put into the queue again.
RUN_UNIT = """
export GANMC_THREADS={threads} OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}
mkdir -p {params.out}/logs
status=0
python -m ganmc_utils.core.units run {params.profile} {params.unit} --out {params.out} \
    {params.limit} 2> {log} || status=$?
[ $status = 0 ] || {{ echo "{params.unit} ended with $status:" >&2; tail -n 3 {log} >&2; }}
[ $status != 75 ] || sh cluster/again.sh
exit $status
"""
MARGIN = 2  # minutes before the end of a job's time at which training saves its state


def time_limit(wildcards, resources):
    runtime = resources.get("runtime")  # a cluster's profile gives one
    return f"--minutes {max(1, runtime - MARGIN)}" if runtime else ""


def gpu_of(unit):
    if not unit.needs_gpu:
        return {}
    model = {"gpu_model": config["gpu_model"]} if "gpu_model" in config else {}
    return {"gpu": int(config.get("gpus_per_unit", 1))} | model


def files_of(unit):
    done = {"done": f"{OUT}/units/{unit.name}/done"}
    return done | (chapter_files(unit.name) if unit.is_chapter else {})


for unit in UNITS if UNITS_ARE_JOBS else []:

    rule:
        name:
            f"unit_{unit.name}".replace("-", "_")
        input:
            notebook=f"notebooks/{unit.notebook}.ipynb",
            profile=profile_file(unit.notebook),
            code=expand("ganmc_utils/{module}.py", module=CODE),
            before=expand(f"{OUT}/units/{{name}}/done", name=unit.after),
        output:
            **files_of(unit),
        params:
            out=OUT,
            profile=PROFILE,
            unit=unit.name,
            limit=time_limit,
        log:
            f"{OUT}/logs/{unit.name}.log",
        threads: THREADS
        resources:
            **gpu_of(unit),
        priority: sum(unit.name in other.after for other in UNITS)  # others wait for it
        shell:
            RUN_UNIT
