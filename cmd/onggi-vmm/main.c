/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-vmm: runs one virtual machine. See docs/man/onggi-vmm.1.scd. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "disk_option.h"
#include "fs_option.h"
#include "net_option.h"
#include "vmm/broker.h"
#include "vmm/process.h"
#include "vmm/snapshot/memory_file.h"
#include "vmmapi/front.h"

#define CONSOLE_NAME	   "org.onggi.guest"
#define MEMORY_MIB_DEFAULT 512
#define PREFIX_FD	   "/dev/fd/"

struct args {
	struct og_vmm_config config;
	struct og_disk_part parts[OG_VMM_DISKS_MAX * OG_DISK_PARTS_MAX];
	struct og_front_config front;
	const char *merge_base, *merge_changes;
	bool probe, help, version;
};

static int parse_fd(const char *text, int *ret_fd, struct og_err *err)
{
	uint64_t number;

	if (og_parse_u64(text, 0, INT32_MAX, &number) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no descriptor's number", text);
	*ret_fd = (int)number;
	return 0;
}

/* "/dev/fd/N" is taken as the descriptor itself: what it may do was decided by who opened it. */
static int open_file(const char *path, int flags, int *ret_fd, struct og_err *err)
{
	int fd;

	if (og_starts_with(path, PREFIX_FD)) {
		int r = parse_fd(path + strlen(PREFIX_FD), &fd, err);

		if (r < 0)
			return r;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(path, flags | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

static int set_kernel(struct args *args, const char *value, struct og_err *err)
{
	args->config.kernel_name = value;
	return open_file(value, O_RDONLY, &args->config.kernel_fd, err);
}

static int set_initrd(struct args *args, const char *value, struct og_err *err)
{
	args->config.initrd_name = value;
	return open_file(value, O_RDONLY, &args->config.initrd_fd, err);
}

static int set_cmdline(struct args *args, const char *value, struct og_err *err)
{
	(void)err;
	args->config.cmdline = value;
	return 0;
}

static int set_memory(struct args *args, const char *value, struct og_err *err)
{
	if (og_parse_u64(value, OG_VMM_MEMORY_MIB_MIN, OG_VMM_MEMORY_MIB_MAX,
			 &args->config.memory_mib) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no number of MiB from %d to %u", value,
				     OG_VMM_MEMORY_MIB_MIN, OG_VMM_MEMORY_MIB_MAX);
	return 0;
}

/* Words with commas between them, as in "huge,lock,node=0". */
static int set_place(struct args *args, const char *value, struct og_err *err)
{
	struct og_mem_place *place = &args->config.place;

	for (const char *at = value; *at != '\0';) {
		char word[16] = {};
		size_t len = strcspn(at, ",");
		uint64_t node;

		memcpy(word, at, len < sizeof(word) ? len : sizeof(word) - 1);
		if (og_streq(word, "huge"))
			place->huge = true;
		else if (og_streq(word, "reserve"))
			place->reserve = true;
		else if (og_streq(word, "lock"))
			place->lock = true;
		else if (og_starts_with(word, "node=") &&
			 og_parse_u64(word + strlen("node="), 0, INT16_MAX, &node) == 0)
			place->node = (int)node;
		else
			return og_fail_plain(err, -EINVAL,
					     "'%s' is none of huge, reserve, lock, node=N", word);
		at += len + (at[len] == ',');
	}
	return 0;
}

static int set_cpus(struct args *args, const char *value, struct og_err *err)
{
	uint64_t cpus;

	if (og_parse_u64(value, 1, OG_VMM_CPUS_MAX, &cpus) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no number from 1 to %d", value,
				     OG_VMM_CPUS_MAX);
	args->config.cpus = (unsigned)cpus;
	return 0;
}

static int new_disk(struct args *args, const char *name, bool readonly,
		    struct og_blk_config **ret_disk, struct og_err *err)
{
	struct og_vmm_config *config = &args->config;
	struct og_blk_config *disk;

	if (config->n_disks == OG_VMM_DISKS_MAX)
		return og_fail_plain(err, -EINVAL, "more than %d disks", OG_VMM_DISKS_MAX);
	disk = &config->disks[config->n_disks];
	*disk = (struct og_blk_config){
		.id = { 'd', 'i', 's', 'k', (char)('a' + config->n_disks) },
		.name = name,
		.parts = args->parts + config->n_disks * OG_DISK_PARTS_MAX,
		.n_parts = 1,
		.readonly = readonly,
	};
	config->n_disks++;
	*ret_disk = disk;
	return 0;
}

static int add_disk(struct args *args, const char *path, bool readonly, struct og_err *err)
{
	struct og_blk_config *disk;
	int r = new_disk(args, path, readonly, &disk, err);

	if (r < 0)
		return r;
	return open_file(path, readonly ? O_RDONLY : O_RDWR, &disk->parts[0].fd, err);
}

static int set_disk(struct args *args, const char *value, struct og_err *err)
{
	struct og_disk_words words = {};
	struct og_blk_config *disk;
	int r;

	if (!og_disk_is_words(value))
		return add_disk(args, value, false, err);
	r = new_disk(args, value, false, &disk, err);
	if (r == 0)
		r = og_disk_parse(value, disk, &words, err);
	if (r == 0)
		r = open_file(words.path, disk->readonly ? O_RDONLY : O_RDWR, &disk->parts[0].fd,
			      err);
	if (r == 0 && disk->has_backing)
		r = open_file(words.backing, O_RDONLY, &disk->backing.fd, err);
	return r;
}

static int set_disk_readonly(struct args *args, const char *value, struct og_err *err)
{
	return add_disk(args, value, true, err);
}

static int set_part(struct args *args, const char *value, struct og_err *err)
{
	char offset[24] = {};
	const char *colon = strchr(value, ':');
	struct og_blk_config *disk;
	struct og_disk_part *part;

	if (args->config.n_disks == 0)
		return og_fail_plain(err, -EINVAL, "comes before any disk");
	disk = &args->config.disks[args->config.n_disks - 1];
	if (disk->n_parts == OG_DISK_PARTS_MAX)
		return og_fail_plain(err, -EINVAL, "more than %d parts", OG_DISK_PARTS_MAX);
	part = &disk->parts[disk->n_parts++];

	if (colon != NULL && (size_t)(colon - value) < sizeof(offset))
		memcpy(offset, value, (size_t)(colon - value));
	if (colon == NULL || og_parse_u64(offset, 0, INT64_MAX, &part->offset) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is not OFFSET:FILE, OFFSET in bytes",
				     value);
	return open_file(colon + 1, disk->readonly ? O_RDONLY : O_RDWR, &part->fd, err);
}

static int set_console(struct args *args, const char *value, struct og_err *err)
{
	int fd, type, r;
	socklen_t len = sizeof(type);

	if (!og_starts_with(value, "fd:"))
		return og_fail_plain(err, -EINVAL, "'%s' is not fd:N", value);
	r = parse_fd(value + strlen("fd:"), &fd, err);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return og_fail(err, -errno, "descriptor %d is no socket", fd);
	if (type != SOCK_STREAM)
		return og_fail_plain(err, -EINVAL, "descriptor %d is no stream socket", fd);
	args->config.console.fd = fd;
	return 0;
}

static int set_serial(struct args *args, const char *value, struct og_err *err)
{
	args->config.serial = !og_streq(value, "none");
	args->config.serial_in_fd = args->config.serial_out_fd = -EBADF;
	if (!args->config.serial)
		return 0;
	if (og_streq(value, "stdio")) {
		args->config.serial_in_fd = STDIN_FILENO;
		args->config.serial_out_fd = STDOUT_FILENO;
		return 0;
	}
	return open_file(value, O_WRONLY | O_CREAT | O_APPEND, &args->config.serial_out_fd, err);
}

/* Told apart from others of its kind in a list of processes, and in the API. */
static int set_id(struct args *args, const char *value, struct og_err *err)
{
	(void)err;
	args->front.id = value;
	return 0;
}

static int set_cpu_template(struct args *args, const char *value, struct og_err *err)
{
	(void)err;
	args->config.cpu_template_name = value;
	return 0;
}

static int set_timer(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->config.timer = true;
	return 0;
}

static int set_firmware(struct args *args, const char *value, struct og_err *err)
{
	args->config.firmware_name = value;
	return open_file(value, O_RDONLY, &args->config.firmware_fd, err);
}

static int set_firmware_log(struct args *args, const char *value, struct og_err *err)
{
	return open_file(value, O_WRONLY | O_CREAT | O_APPEND, &args->config.firmware_log_fd, err);
}

static int set_pci(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->config.pci = true;
	return 0;
}

static int set_smt(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->config.smt = true;
	return 0;
}

static int set_no_jail(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->config.jail.enabled = false;
	return 0;
}

static int add_net(struct args *args, const char *value, struct og_err *err)
{
	return og_net_option(&args->config, value, err);
}

static int add_fs(struct args *args, const char *value, struct og_err *err)
{
	return og_fs_option(&args->config, value, err);
}

/* Listens, and starts who connects for the guest: the machine itself can do neither. */
static int set_vsock(struct args *args, const char *value, struct og_err *err)
{
	struct og_vsock_config *vsock = &args->config.vsock;
	const char *colon = strchr(value, ':');
	char cid[16] = {};
	uint64_t number;
	int r;

	if (vsock->present)
		return og_fail_plain(err, -EINVAL, "may be given once");
	if (colon == NULL || (size_t)(colon - value) >= sizeof(cid))
		return og_fail_plain(err, -EINVAL, "'%s' is not CID:PATH", value);
	memcpy(cid, value, (size_t)(colon - value));
	if (og_parse_u64(cid, OG_VSOCK_CID_MIN, OG_VSOCK_CID_MAX, &number) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no context of a guest (%u to %u)", cid,
				     OG_VSOCK_CID_MIN, OG_VSOCK_CID_MAX);
	vsock->present = true;
	vsock->guest_cid = (uint32_t)number;
	r = og_broker_listen(colon + 1, &vsock->listen_fd, err);
	return r < 0 ? r : og_broker_start(colon + 1, &args->config.broker_fd, err);
}

static int set_balloon(struct args *args, const char *value, struct og_err *err)
{
	uint64_t mib;

	if (og_parse_u64(value, 0, OG_VMM_MEMORY_MIB_MAX, &mib) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no number of MiB", value);
	args->config.balloon = (struct og_balloon_config){
		.present = true,
		.amount_mib = (uint32_t)mib,
		.deflate_on_oom = true,
		.reporting = true,
	};
	return 0;
}

/* "TOTAL" or "TOTAL:REQUESTED". */
static int set_hotplug(struct args *args, const char *value, struct og_err *err)
{
	struct og_hotplug_config *hotplug = &args->config.hotplug;
	const char *colon = strchr(value, ':');
	size_t len = colon != NULL ? (size_t)(colon - value) : strlen(value);
	char total[24] = {};

	*hotplug = (struct og_hotplug_config){ .block_mib = OG_HOTPLUG_BLOCK_MIB_MIN,
					       .slot_mib = OG_HOTPLUG_SLOT_MIB_MIN };
	if (len < sizeof(total))
		memcpy(total, value, len);
	if (og_parse_u64(total, 1, OG_VMM_MEMORY_MIB_MAX, &hotplug->total_mib) < 0 ||
	    (colon != NULL &&
	     og_parse_u64(colon + 1, 0, OG_VMM_MEMORY_MIB_MAX, &hotplug->requested_mib) < 0))
		return og_fail_plain(err, -EINVAL, "'%s' is not TOTAL[:REQUESTED] in MiB", value);
	return og_hotplug_check(hotplug, err);
}

static int add_pmem(struct args *args, const char *path, bool readonly, struct og_err *err)
{
	struct og_vmm_config *config = &args->config;
	struct og_pmem_config *pmem;

	if (config->n_pmems == OG_VMM_PMEMS_MAX)
		return og_fail_plain(err, -EINVAL, "more than %d of them", OG_VMM_PMEMS_MAX);
	pmem = &config->pmems[config->n_pmems];
	*pmem = (struct og_pmem_config){ .name = path, .readonly = readonly };
	(void)snprintf(pmem->id, sizeof(pmem->id), "pmem%u", config->n_pmems++);
	return open_file(path, readonly ? O_RDONLY : O_RDWR, &pmem->fd, err);
}

static int set_pmem(struct args *args, const char *value, struct og_err *err)
{
	return add_pmem(args, value, false, err);
}

static int set_pmem_readonly(struct args *args, const char *value, struct og_err *err)
{
	return add_pmem(args, value, true, err);
}

static int set_merge(struct args *args, const char *value, struct og_err *err)
{
	(void)err;
	args->merge_base = value;
	return 0;
}

static int set_changes(struct args *args, const char *value, struct og_err *err)
{
	(void)err;
	args->merge_changes = value;
	return 0;
}

static int set_probe(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->probe = true;
	return 0;
}

static int set_help(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->help = true;
	return 0;
}

static int set_version(struct args *args, const char *value, struct og_err *err)
{
	(void)value;
	(void)err;
	args->version = true;
	return 0;
}

static const struct option_row {
	const char *name;
	const char *value; /* NULL: takes none */
	const char *help;
	int (*set)(struct args *args, const char *value, struct og_err *err);
} options[] = {
	{ "--kernel", "FILE", "bzImage or ELF64 kernel", set_kernel },
	{ "--initrd", "FILE", "initial file system", set_initrd },
	{ "--cmdline", "TEXT", "kernel command line", set_cmdline },
	{ "--memory", "MIB", "guest memory (512)", set_memory },
	{ "--memory-place", "WORDS", "huge, reserve, lock, node=N", set_place },
	{ "--cpus", "N", "vCPUs, 1 to 32 (1)", set_cpus },
	{ "--disk", "FILE|path=FILE,...", "a disk that the guest may write", set_disk },
	{ "--disk-readonly", "FILE", "a disk that it may not", set_disk_readonly },
	{ "--part", "OFFSET:FILE", "more of the last disk, at byte OFFSET", set_part },
	{ "--console", "fd:N", "stream socket of the port " CONSOLE_NAME, set_console },
	{ "--serial", "stdio|none|FILE", "serial port (none)", set_serial },
	{ "--net", "tap=NAME,mac=...", "a network card on a tap", add_net },
	{ "--fs", "tag=TAG,path=DIR[,ro]", "a folder that the guest mounts as TAG", add_fs },
	{ "--vsock", "CID:PATH", "streams to the guest over a Unix socket", set_vsock },
	{ "--balloon", "MIB", "memory that the guest gives back", set_balloon },
	{ "--hotplug-memory", "TOTAL[:MIB]", "memory to plug, and how much now", set_hotplug },
	{ "--pmem", "FILE", "a file as the guest's memory", set_pmem },
	{ "--pmem-readonly", "FILE", "one that it may not write", set_pmem_readonly },
	{ "--id", "NAME", "a name for people", set_id },
	{ "--cpu-template", "NAME", "T2, T2S, T2CL, T2A, C3 (none)", set_cpu_template },
	{ "--smt", NULL, "two vCPUs are threads of one core", set_smt },
	{ "--no-jail", NULL, "stay in the namespaces of whoever starts it", set_no_jail },
	{ "--firmware", "FILE", "SeaBIOS or OVMF, in place of a kernel", set_firmware },
	{ "--firmware-log", "FILE", "what firmware says of itself", set_firmware_log },
	{ "--timer", NULL, "a PC's timer (8254)", set_timer },
	{ "--pci", NULL, "virtio devices on a PCI bus", set_pci },
	{ "--merge-snapshot", "FILE", "a memory file that --changes are laid over", set_merge },
	{ "--changes", "FILE", "the memory file of a later Diff snapshot", set_changes },
	{ "--probe", NULL, "say whether KVM can run a kernel here", set_probe },
	{ "--help", NULL, "this text", set_help },
	{ "--version", NULL, "the version", set_version },
};

#define OPTIONS_COUNT (sizeof(options) / sizeof(options[0]))

/* A row of this table, or of the face's (vmmapi/front.h). */
struct found {
	const char *name, *value;
	const struct option_row *own;
	const struct og_front_option *front;
};

static bool is_called(const char *name, const char *arg, size_t len)
{
	return strlen(name) == len && strncmp(name, arg, len) == 0;
}

static bool find_option(const char *arg, size_t len, struct found *found)
{
	for (size_t i = 0; i < OPTIONS_COUNT; i++)
		if (is_called(options[i].name, arg, len)) {
			*found = (struct found){ options[i].name, options[i].value, &options[i],
						 NULL };
			return true;
		}
	for (size_t i = 0; i < og_n_front_options; i++)
		if (is_called(og_front_options[i].name, arg, len)) {
			*found = (struct found){ og_front_options[i].name,
						 og_front_options[i].value, NULL,
						 &og_front_options[i] };
			return true;
		}
	return false;
}

/* Takes the option at @argv, "--name value" or "--name=value"; returns how many words it was. */
static int take_option(struct args *args, char **argv, struct og_err *err)
{
	const char *equals = strchr(argv[0], '=');
	size_t len = equals != NULL ? (size_t)(equals - argv[0]) : strlen(argv[0]);
	const char *value = equals != NULL ? equals + 1 : argv[1];
	struct found row;
	int r;

	if (!find_option(argv[0], len, &row))
		return og_fail_plain(err, -EINVAL, "'%s' is no option (see --help)", argv[0]);
	if (row.value == NULL && equals != NULL)
		return og_fail_plain(err, -EINVAL, "%s takes no value", row.name);
	if (row.value != NULL && value == NULL)
		return og_fail_plain(err, -EINVAL, "%s needs a value: %s", row.name, row.value);

	r = row.own != NULL ? row.own->set(args, value, err)
			    : row.front->set(&args->front, value, err);
	if (r < 0)
		return og_fail_in(err, r, "%s", row.name);
	return row.value != NULL && equals == NULL ? 2 : 1;
}

static int parse(struct args *args, char **argv, struct og_err *err)
{
	og_vmm_config_init(&args->config);
	args->config.memory_mib = MEMORY_MIB_DEFAULT;
	args->config.console.name = CONSOLE_NAME;
	args->config.rng.present = true;
	args->config.jail.enabled = true;
	while (*argv != NULL) {
		int words = take_option(args, argv, err);

		if (words < 0)
			return words;
		argv += words;
	}
	if ((args->merge_base != NULL) != (args->merge_changes != NULL))
		return og_fail_plain(err, -EINVAL, "--merge-snapshot and --changes go together");
	if (args->help || args->version || args->probe || args->merge_base != NULL ||
	    og_front_asks(&args->front))
		return 0;
	args->front.no_jail = !args->config.jail.enabled;
	if (og_front_wanted(&args->front) &&
	    (args->config.kernel_fd >= 0 || args->config.firmware_fd >= 0))
		return og_fail_plain(err, -EINVAL,
				     "--kernel and --firmware go with neither --api-sock "
				     "nor --config-file, which name the kernel");
	if (!og_front_wanted(&args->front) && args->config.kernel_fd < 0 &&
	    args->config.firmware_fd < 0)
		return og_fail_plain(err, -EINVAL, "--kernel FILE is missing");
	return 0;
}

static int show_help(void)
{
	puts("usage: onggi-vmm --kernel FILE [OPTION VALUE]...\n"
	     "       onggi-vmm --api-sock FILE | --config-file FILE [OPTION VALUE]...\n"
	     "Runs one virtual machine on KVM until its guest powers off.\n");
	for (size_t i = 0; i < OPTIONS_COUNT; i++)
		printf("  %-16s %-16s %s\n", options[i].name,
		       options[i].value != NULL ? options[i].value : "", options[i].help);
	puts("\nFirecracker's, for its API and its configuration file:");
	for (unsigned i = 0; i < og_n_front_options; i++)
		printf("  %-27s %-6s %s\n", og_front_options[i].name,
		       og_front_options[i].value != NULL ? og_front_options[i].value : "",
		       og_front_options[i].help);
	puts("\nFILE of the first list may be /dev/fd/N. Exit status: 0 powered off, 10 reboot asked for, 1 error,\n"
	     "2 wrong usage; of --probe: 0 usable, 1 not.");
	return OG_EXIT_OFF;
}

static int complain(const struct og_err *err, int status)
{
	(void)fprintf(stderr, "onggi-vmm: %s\n", err->text);
	return status;
}

static int merge(const struct args *args, struct og_err *err)
{
	og_auto_fd base = open(args->merge_base, O_RDWR | O_CLOEXEC);
	og_auto_fd changes = open(args->merge_changes, O_RDONLY | O_CLOEXEC);

	if (base < 0 || changes < 0)
		return og_fail(err, -errno, "open '%s'",
			       base < 0 ? args->merge_base : args->merge_changes);
	return og_memory_file_merge(base, changes, err);
}

int main(int argc, char **argv)
{
	static struct args args;
	int status;
	struct og_err err = {};

	(void)argc;
	if (parse(&args, argv + 1, &err) < 0)
		return complain(&err, OG_EXIT_USAGE);
	if (args.help)
		return show_help();
	if (args.version) {
		puts("onggi-vmm " OG_VERSION);
		return OG_EXIT_OFF;
	}
	if (og_front_asks(&args.front))
		return og_front_answer(&args.front, &err) < 0 ? complain(&err, OG_EXIT_ERROR)
							      : OG_EXIT_OFF;
	if (args.merge_base != NULL)
		return merge(&args, &err) < 0 ? complain(&err, OG_EXIT_ERROR) : OG_EXIT_OFF;
	if (args.probe)
		return og_vmm_usable(&err) < 0 ? complain(&err, OG_EXIT_ERROR) : OG_EXIT_OFF;
	status = og_front_wanted(&args.front) ? og_front_run(&args.front, &err)
					      : og_vmm_become_jailed(&args.config, &err);
	return status == OG_EXIT_ERROR ? complain(&err, status) : status;
}
