"""Tare measures what a deployment model weighs: the same workload as a process, a container or a virtual machine, as
one service or as several, directly or behind a proxy.

Glossary. One word has one meaning, here and in every module, report and document.

experiment
    A TOML file in ``benches/``: a question, a workload, a matrix, a load and a number of repeats.
workload
    What is deployed: a folder in ``workloads/`` or any local OCI image of the user's.
service
    One deployable unit: an artifact, an argv, an environment, a port, a readiness check and limits.
artifact
    One root file system (a tar) and its OCI-style configuration, named by its content digest. It is the only source
    of the packagings: a directory, a container image, a VM disk.
packaging
    What a target deploys an artifact from, derived from the artifact's tar and from nothing else.
target
    A deployment model that can launch a service: ``process``, ``container``, ``vm``, ``swarm``.
staged
    Said of a service that a target has done everything for that is untimed, and that only has to be started.
instance
    A service running on a target: an address, processes, a control group, logs. Stopping it is idempotent.
replica
    One of several equal copies of a service. An orchestrator keeps those of one instance; without one, each is an
    instance of its own.
topology
    Which services of a workload are deployed together, and which of them answers which path. ``single``: one service.
set
    The services of a topology that has several.
transaction
    A list of requests of which each may use what an answer before it gave. A set's startup ends with its first one.
placement
    A name for targets that differ by service, used where a target's name is.
deployment
    All instances of one variant in the lab of one trial, its proxy's included.
event
    Something that happens to a deployment under load, once, at a known moment: a service is killed, restarted,
    replaced or scaled.
proxy
    A proxy or cache before services. It is a service, so any target can launch it. ``direct`` means none.
region
    Where clients, and perhaps services, stand: a bridge of its own in the lab. The *backbone* joins regions, each two
    of them at the distance (round-trip time) that the geography gives.
point of presence
    An instance of a proxy that caches, in a region, for the clients to whom it is the nearest. A *shield* is one that
    stands between the others and the origin.
origin
    The services behind the proxies, as what fills their caches. Its region is where it stands.
catalogue
    The objects that an origin has, numbered, each of a known size.
sequence
    The objects that requests ask for, in order: drawn by a seed, or a trace mapped onto the catalogue.
replay
    A load that asks for a sequence in order, each as soon as its turn comes. It has no schedule.
lab
    The private network of one trial: a bridge, and one network namespace per client host.
variant
    workload x topology x target x proxy x replicas: one thing being compared.
load level
    How hard a cell is driven: a rate of arrivals, absolute or as a share of the slowest variant's capacity.
cell
    A variant under one load level.
block
    Every cell once, in a random order. A campaign is several blocks.
trial
    One cell deployed, measured and torn down once. The trial is the statistical unit, never the request.
attempt
    One try at a trial. An invalid attempt is kept, left out of the comparison, and tried again at the end of its block.
campaign
    One execution of an experiment: a folder under ``results/`` that holds all of it.
probe
    What measures a trial: startup, memory, CPU, latency, host noise.
sample
    One raw, immutable observation, such as one request.
summary
    What is computed from samples, and can be computed again from them at any time.
A/A pair
    The same variant twice under two names. What their comparison shows is the campaign's noise floor.
null service
    A service that answers every request with a fixed response. It gives the instrument's own latency floor.
accelerator
    What executes a guest's instructions: ``kvm`` (the processor) or ``tcg`` (QEMU's software emulation, always called
    *emulated*). ``none`` where there is no guest.
"""

__version__ = "0.1.0"
