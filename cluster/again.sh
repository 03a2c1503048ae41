# A unit has used its time and has saved what it did. SLURM runs its job again, as the same job, so
# that Snakemake goes on waiting for it. Elsewhere Snakemake submits it anew, as one of its retries.
if [ -n "$SLURM_JOB_ID" ] && scontrol requeue "$SLURM_JOB_ID"; then
    sleep 300  # until SLURM ends this run of the job
fi
