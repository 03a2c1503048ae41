# One papermill run per notebook. A chapter is added by its name in CHAPTERS.
import os

PROFILE = config.get("profile", "quick")
OUT = f"results/{PROFILE}"
CHAPTERS = ["06_random_forests"]
CODE = sorted(glob_wildcards("ganmc_utils/{module}.py").module)


def profile_file(name):
    path = f"profiles/{PROFILE}/{name}.yml"
    return [path] if os.path.exists(path) else []


# The notebook appears in its place only when it ran to its end; the threads are the cores this run was given.
RUN = """
export GANMC_OUT="$PWD/{params.out}" GANMC_THREADS={threads} OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}
mkdir -p {params.out}/notebooks {params.out}/logs
papermill {input.notebook} {output.notebook}.part.ipynb {params.profile} -p profile {params.name} \
    2> >(tee {log} >&2) || {{ echo "{input.notebook} stopped:" >&2; tail -n 3 {log} >&2; exit 1; }}
python book/clean_notebook.py {output.notebook}.part.ipynb {output.notebook}
"""


rule all:
    input:
        f"{OUT}/notebooks/08_scoreboard.ipynb",


for chapter in CHAPTERS + ["08_scoreboard"]:

    rule:
        name:
            f"chapter_{chapter}"
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            profile=profile_file(chapter),
            code=expand("ganmc_utils/{module}.py", module=CODE),
            records=expand(f"{OUT}/records/{{chapter}}.json", chapter=CHAPTERS) if chapter.startswith("08") else [],
        output:
            notebook=f"{OUT}/notebooks/{chapter}.ipynb",
            record=f"{OUT}/records/{chapter}.json",
        params:
            out=OUT,
            name=PROFILE,
            profile=" ".join(f"-f {path}" for path in profile_file(chapter)),
        log:
            f"{OUT}/logs/{chapter}.log",
        threads: workflow.cores
        shell:
            RUN
