#!/bin/bash
# A SLURM of this one machine, for `make test-cluster`: slurm.sh start FOLDER, slurm.sh stop FOLDER.
# It needs root, and the packages slurmctld, slurmd, slurm-client and munge. All it writes and all
# its processes are its own: pids lie in FOLDER.
set -eu
command=$1 folder=$(realpath -m "$2")
export SLURM_CONF=$folder/slurm.conf
installed=/etc/slurm/slurm.conf  # jobs look there: Snakemake takes SLURM's variables from them

stop_all() {
    for pid in slurmd slurmctld munged; do
        [ ! -f "$folder/$pid.pid" ] || kill "$(cat "$folder/$pid.pid")" 2>/dev/null || true
    done
    [ "$(readlink $installed)" != "$SLURM_CONF" ] || rm $installed
}

start_all() {
    if [ -e $installed ]; then
        echo "$installed is there: this machine has a SLURM already" >&2
        exit 1
    fi
    mkdir -p "$folder"/{state,spool,munge}
    chmod 711 "$folder"/munge
    dd if=/dev/urandom of="$folder/munge/key" bs=1 count=1024 status=none
    chmod 400 "$folder/munge/key"
    munged --key-file "$folder/munge/key" --socket "$folder/munge/socket" --num-threads 2 --force \
        --pid-file "$folder/munged.pid" --log-file "$folder/munge/log" --seed-file "$folder/munge/seed"
    cat > "$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=2
ReturnToService=2
KillWait=30
MinJobAge=6000
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$(hostname -s) CPUs=$(nproc --all) RealMemory=$(($(free -m | awk '/Mem:/ {print $2}') * 9 / 10)) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    mkdir -p "$(dirname $installed)"
    ln -sf "$SLURM_CONF" $installed
    slurmctld
    slurmd
    for _ in $(seq 60); do
        [ "$(sinfo -h -o %T 2>/dev/null)" != idle ] || exit 0
        sleep 1
    done
    echo "the node of $folder is not idle; see its logs" >&2
    exit 1
}

"${command}_all"
