/* SPDX-License-Identifier: Apache-2.0 */
#include "client/create.h"

#define FLAG(member, name, letter, help) \
	OG_OPTION(struct og_create_options, member, name, letter, OG_OPTION_FLAG, help)
#define TEXT(member, name, letter, help) \
	OG_OPTION(struct og_create_options, member, name, letter, OG_OPTION_TEXT, help)
#define INT(member, name, letter, help) \
	OG_OPTION(struct og_create_options, member, name, letter, OG_OPTION_INT, help)
#define SIZE(member, name, letter, help) \
	OG_OPTION(struct og_create_options, member, name, letter, OG_OPTION_SIZE, help)
#define LIST(member, name, letter, help) \
	OG_OPTION(struct og_create_options, member, name, letter, OG_OPTION_LIST, help)

/* The first OG_RUN_OPTIONS_FIRST are those of `run` alone. */
const struct og_option og_create_option_table[] = {
	FLAG(detach, "detach", 'd', "leave it running and print its identifier"),
	FLAG(sig_proxy, "sig-proxy", 0, "pass signals on to the workload (default true)"),
	TEXT(detach_keys, "detach-keys", 0, "KEYS that leave it running (ctrl-p,ctrl-q)"),

	LIST(add_host, "add-host", 0, "NAME:ADDRESS for its /etc/hosts"),
	LIST(annotations, "annotation", 0, "KEY=VALUE for the runtime"),
	LIST(attach, "attach", 'a', "STREAM to attach: stdin, stdout or stderr"),
	LIST(cap_add, "cap-add", 0, "CAPABILITY to add"),
	LIST(cap_drop, "cap-drop", 0, "CAPABILITY to take away"),
	TEXT(cgroup_parent, "cgroup-parent", 0, "CGROUP to be below"),
	TEXT(cgroupns, "cgroupns", 0, "MODE of the cgroup namespace: host or private"),
	TEXT(cidfile, "cidfile", 0, "FILE to write its identifier to"),
	INT(cpu_period, "cpu-period", 0, "MICROSECONDS of a period of the CPU limit"),
	INT(cpu_quota, "cpu-quota", 0, "MICROSECONDS of CPU in a period"),
	INT(cpu_shares, "cpu-shares", 'c', "WEIGHT against other workloads"),
	TEXT(cpus, "cpus", 0, "NUMBER of CPUs, 1.5 for one and a half"),
	TEXT(cpuset_cpus, "cpuset-cpus", 0, "CPUS to run on: 0-2,5"),
	TEXT(cpuset_mems, "cpuset-mems", 0, "NODES of memory to use"),
	LIST(devices, "device", 0, "DEVICE of the host, HOST[:INSIDE[:rwm]]"),
	LIST(dns, "dns", 0, "ADDRESS of a name server"),
	LIST(dns_option, "dns-option", 0, "OPTION of the resolver"),
	LIST(dns_search, "dns-search", 0, "DOMAIN to search names in"),
	TEXT(domainname, "domainname", 0, "NAME of its NIS domain"),
	TEXT(entrypoint, "entrypoint", 0, "PROGRAM instead of the image's entry point"),
	LIST(env, "env", 'e', "NAME=VALUE in its environment; NAME alone: as here"),
	LIST(env_file, "env-file", 0, "FILE of such lines"),
	LIST(expose, "expose", 0, "PORT that it serves"),
	LIST(group_add, "group-add", 0, "GROUP that its user is in as well"),
	TEXT(hostname, "hostname", 'h', "NAME that it has for itself"),
	FLAG(init, "init", 0, "run a small init as its first process"),
	FLAG(interactive, "interactive", 'i', "pass standard input on"),
	TEXT(ip, "ip", 0, "ADDRESS it shall have"),
	TEXT(ipc, "ipc", 0, "MODE of the IPC namespace"),
	TEXT(isolation, "isolation", 0, "KIND of isolation: container or vm"),
	LIST(labels, "label", 'l', "KEY=VALUE to mark it with"),
	LIST(label_file, "label-file", 0, "FILE of such lines"),
	LIST(links, "link", 0, "WORKLOAD[:ALIAS] to know by name"),
	TEXT(log_driver, "log-driver", 0, "DRIVER of its log: json-file or none"),
	LIST(log_opt, "log-opt", 0, "KEY=VALUE: max-size=20m, max-file=5"),
	TEXT(mac_address, "mac-address", 0, "ADDRESS of its interface"),
	SIZE(memory, "memory", 'm', "BYTES of memory at most: 512m"),
	SIZE(memory_reservation, "memory-reservation", 0, "BYTES it keeps when memory is short"),
	SIZE(memory_swap, "memory-swap", 0, "BYTES of memory and swap together; -1: any"),
	INT(memory_swappiness, "memory-swappiness", 0, "PERCENT of inclination to swap"),
	LIST(mounts, "mount", 0, "MOUNT type=bind,source=...,target=...[,readonly]"),
	TEXT(name, "name", 0, "NAME to call it by"),
	TEXT(network, "network", 0, "NETWORK to join: none, host, ..."),
	TEXT(network, "net", 0, "NETWORK to join"),
	LIST(network_alias, "network-alias", 0, "NAME that it has in its network"),
	FLAG(no_healthcheck, "no-healthcheck", 0, "do not run the image's health check"),
	FLAG(oom_kill_disable, "oom-kill-disable", 0, "let it wait when it is out of memory"),
	INT(oom_score_adj, "oom-score-adj", 0, "NUMBER from -1000 to 1000: killed sooner"),
	TEXT(pid, "pid", 0, "MODE of the PID namespace"),
	INT(pids_limit, "pids-limit", 0, "NUMBER of processes at most; -1: any"),
	TEXT(platform, "platform", 0, "PLATFORM of the image: linux/amd64"),
	FLAG(privileged, "privileged", 0, "give it everything the host has"),
	LIST(publish, "publish", 'p', "PORTS [ADDRESS:][HOST:]INSIDE[/udp]"),
	FLAG(publish_all, "publish-all", 'P', "publish every port that it serves"),
	TEXT(pull, "pull", 0, "WHEN to pull the image: always, missing or never"),
	FLAG(quiet, "quiet", 'q', "do not show the progress of a pull"),
	FLAG(read_only, "read-only", 0, "its root file system cannot be written"),
	TEXT(restart, "restart", 0, "POLICY: no, always, unless-stopped, on-failure[:N]"),
	FLAG(remove, "rm", 0, "remove it when it has ended"),
	TEXT(runtime, "runtime", 0, "RUNTIME: onggi or onggi-vm"),
	LIST(security_opt, "security-opt", 0, "OPTION: no-new-privileges, seccomp=FILE, ..."),
	SIZE(shm_size, "shm-size", 0, "BYTES of its /dev/shm"),
	TEXT(stop_signal, "stop-signal", 0, "SIGNAL that asks it to stop"),
	INT(stop_timeout, "stop-timeout", 0, "SECONDS until it is killed then"),
	LIST(storage_opt, "storage-opt", 0, "KEY=VALUE: size=10g"),
	LIST(sysctl, "sysctl", 0, "KEY=VALUE of a kernel setting"),
	LIST(tmpfs, "tmpfs", 0, "FOLDER[:OPTIONS] in memory"),
	FLAG(tty, "tty", 't', "give it a terminal"),
	LIST(ulimit, "ulimit", 0, "NAME=SOFT[:HARD] limit"),
	TEXT(user, "user", 'u', "USER[:GROUP], names or numbers"),
	TEXT(userns, "userns", 0, "MODE of the user namespace"),
	TEXT(uts, "uts", 0, "MODE of the UTS namespace"),
	LIST(volumes, "volume", 'v', "VOLUME [SOURCE:]TARGET[:ro]"),
	LIST(volumes_from, "volumes-from", 0, "WORKLOAD whose volumes it has too"),
	TEXT(workdir, "workdir", 'w', "FOLDER to start in"),
};

_Static_assert(sizeof(og_create_option_table) / sizeof(og_create_option_table[0]) ==
		       OG_CREATE_OPTION_COUNT,
	       "the header says how many there are");

void og_create_defaults(struct og_create_options *options)
{
	*options = (struct og_create_options){
		.sig_proxy = true,
		.stop_timeout = -1,
		.memory_swappiness = -1,
	};
}
