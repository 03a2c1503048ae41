# One papermill run per notebook, two at a time. A chapter is added by its name and by those whose
# results it takes up.
import os

PROFILE = config.get("profile", "quick")
OUT = f"results/{PROFILE}"
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


rule all:
    input:
        f"{OUT}/notebooks/from_scratch.ipynb",
        f"{OUT}/notebooks/08_scoreboard.ipynb",
        f"{OUT}/notebooks/09_your_own_model.ipynb",


for chapter, before in CHAPTERS.items():

    rule:
        name:
            f"chapter_{chapter}"
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            profile=profile_file(chapter),
            code=expand("ganmc_utils/{module}.py", module=CODE),
            records=expand(f"{OUT}/records/{{chapter}}.json", chapter=before),
        output:
            notebook=f"{OUT}/notebooks/{chapter}.ipynb",
            record=f"{OUT}/records/{chapter}.json",
        params:
            out=OUT,
            given=" ".join([f"-f {path}" for path in profile_file(chapter)] + [f"-p profile {PROFILE}"]),
        log:
            f"{OUT}/logs/{chapter}.log",
        threads: max(1, workflow.cores // 2)
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
    threads: max(1, workflow.cores // 2)
    shell:
        RUN
