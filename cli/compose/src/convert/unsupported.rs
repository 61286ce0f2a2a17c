//! Keys of a service that are understood and not followed.

use crate::view::Fields;

/// Says so for each that a service has.
pub(super) fn service(fields: &Fields<'_>) {
    fields.unsupported(&[
        ("annotations", "annotations are not kept; use `labels`"),
        (
            "attach",
            "nothing is attached to what a cluster runs; see `service logs`",
        ),
        ("blkio_config", "the use of disks is not limited"),
        ("cgroup", "the cgroup namespace cannot be chosen"),
        (
            "container_name",
            "a container is named after its service, slot and task",
        ),
        ("cpu_count", "use `deploy.resources.limits.cpus`"),
        ("cpu_percent", "use `deploy.resources.limits.cpus`"),
        ("cpu_rt_period", "there is no real-time scheduling"),
        ("cpu_rt_runtime", "there is no real-time scheduling"),
        (
            "cpu_shares",
            "processors are shared by what is set aside: use `deploy.resources.reservations.cpus`",
        ),
        ("cpuset", "tasks are not bound to processors"),
        ("credential_spec", "credentials of Windows are not used"),
        ("develop", "only what is deployed counts"),
        (
            "device_cgroup_rules",
            "only the devices of `devices` are allowed",
        ),
        (
            "external_links",
            "services reach each other by name on a network that they share",
        ),
        (
            "gpus",
            "no graphics processor is reserved; name its files in `devices`",
        ),
        ("isolation", "there is one kind of isolation"),
        (
            "links",
            "services reach each other by name on a network that they share",
        ),
        ("mac_address", "addresses are given by the cluster"),
        ("mem_swappiness", "the node's is used"),
        ("models", "models are not run by the cluster"),
        (
            "oom_kill_disable",
            "a task that needs too much memory is ended",
        ),
        (
            "post_start",
            "nothing is run beside the container's own process",
        ),
        (
            "pre_start",
            "nothing is run beside the container's own process; use a job and `depends_on`",
        ),
        (
            "pre_stop",
            "nothing is run beside the container's own process",
        ),
        ("provider", "nothing is provided from outside the cluster"),
        ("pull_refresh_after", "see `pull_policy`"),
        ("runtime", "there is one runtime"),
        ("storage_opt", "the root file system is not limited"),
        ("use_api_socket", "no socket is given to the container"),
        ("userns_mode", "the user namespace cannot be chosen"),
        ("uts", "the host name's namespace cannot be chosen"),
        ("volumes_from", "volumes are mounted by name: use `volumes`"),
    ]);
}
