/* SPDX-License-Identifier: Apache-2.0 */
/* vm push, pull, ls, rm: snapshots and disks of VMs in a registry. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command.h"
#include "image/artifact.h"
#include "remote.h"

struct vm_options {
	const char *base;
	int64_t max_size;
	bool quiet;
	struct og_words insecure;
};

#define VM_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct vm_options, member, name, letter, kind, help)
#define QUIET_OPTION VM_OPTION(quiet, "quiet", 'q', OG_OPTION_FLAG, "only print the digest")

static const struct og_option push_options[] = {
	VM_OPTION(base, "base", 0, OG_OPTION_TEXT,
		  "TAG or digest there to share chunks with, in place of what REF is now"),
	TRUST_INSECURE(struct vm_options),
	QUIET_OPTION,
};

static const struct og_option pull_options[] = {
	TRUST_INSECURE(struct vm_options),
	VM_OPTION(max_size, "max-size", 0, OG_OPTION_SIZE,
		  "BYTES of data that may be laid down, 256g unless said"),
	QUIET_OPTION,
};

static const struct og_option ls_options[] = {
	TRUST_INSECURE(struct vm_options),
};

static int run_push(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct vm_options *options = values;
	auto_remote to = {};
	struct og_vm_push push = { .path = argv[0], .base = options->base };
	struct og_vm_pushed pushed;
	int r = remote_open(&to, argv[1], &options->insecure, OG_REMOTE_PULL | OG_REMOTE_PUSH, err);

	(void)argc;
	if (r == 0 && to.ref.has_digest)
		r = og_fail_plain(err, -EINVAL, "'%s': name a tag", argv[1]);
	if (r < 0)
		return r;
	push.registry = to.registry;
	push.client = to.client;
	push.tag = to.ref.tag;
	r = og_vm_push(&push, &pushed, err);
	if (r < 0)
		return og_fail_in(err, r, "push %s", argv[0]);
	if (!options->quiet)
		(void)printf("%llu bytes of data in %u packs, %u of them sent, %u shared; %llu "
			     "bytes sent\n",
			     (unsigned long long)pushed.data_bytes, pushed.packs, pushed.packs_sent,
			     pushed.packs_shared, (unsigned long long)pushed.sent_bytes);
	(void)puts(og_digest_format(&pushed.digest).text);
	return EXIT_SUCCESS;
}

static int run_pull(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct vm_options *options = values;
	auto_remote from = {};
	struct og_vm_pull pull = {
		.folder = argv[1],
		.max_bytes = options->max_size > 0 ? (uint64_t)options->max_size : OG_VM_PULL_BYTES,
	};
	struct og_vm_pulled pulled;
	int r = remote_open(&from, argv[0], &options->insecure, OG_REMOTE_PULL, err);

	(void)argc;
	if (r < 0)
		return r;
	pull.registry = from.registry;
	pull.client = from.client;
	pull.reference = from.reference;
	r = og_vm_pull(&pull, &pulled, err);
	if (r < 0)
		return og_fail_in(err, r, "pull %s", argv[0]);
	if (!options->quiet)
		(void)printf("%u files in '%s', %llu bytes received\n", pulled.files, argv[1],
			     (unsigned long long)pulled.received_bytes);
	(void)puts(og_digest_format(&pulled.digest).text);
	return EXIT_SUCCESS;
}

static void print_artifact(const struct og_vm_artifact *artifact)
{
	const struct og_vm_index *index = &artifact->index;
	const struct og_json *machine = og_json_get(artifact->config, "machine");

	(void)printf("%s %s\n", artifact->is_disk ? "disk" : "snapshot",
		     og_digest_format(&artifact->digest).text);
	if (machine != NULL)
		(void)printf("machine: %llu MiB, %llu vCPUs\n",
			     (unsigned long long)og_json_uint(og_json_get(machine, "memoryMiB"), 0),
			     (unsigned long long)og_json_uint(og_json_get(machine, "vcpus"), 0));
	(void)printf("in the registry: %llu bytes in %u packs, %u chunks\n",
		     (unsigned long long)artifact->stored_bytes, index->pack_count,
		     index->chunk_count);
	for (uint32_t i = 0; i < index->file_count; i++)
		(void)printf("%15llu %9u chunks  %s\n", (unsigned long long)index->files[i].size,
			     index->files[i].place_count, index->files[i].name);
}

static int run_ls(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct vm_options *options = values;
	og_cleanup(og_vm_artifact_done) struct og_vm_artifact artifact = {};
	auto_remote from = {};
	int r = remote_open(&from, argv[0], &options->insecure, OG_REMOTE_PULL, err);

	(void)argc;
	if (r < 0)
		return r;
	r = og_vm_artifact_read(from.registry, from.client, from.reference, &artifact, err);
	if (r < 0)
		return og_fail_in(err, r, "look at %s", argv[0]);
	print_artifact(&artifact);
	return EXIT_SUCCESS;
}

static int run_rm(const void *values, int argc, char **argv, struct og_err *err)
{
	const struct vm_options *options = values;
	auto_remote from = {};
	int r = remote_open(&from, argv[0], &options->insecure, OG_REMOTE_PULL | OG_REMOTE_DELETE,
			    err);

	(void)argc;
	if (r < 0)
		return r;
	r = og_remote_delete(from.registry, from.client, from.reference, err);
	return r < 0 ? og_fail_in(err, r, "remove %s", argv[0]) : EXIT_SUCCESS;
}

const struct trust_command trust_vm_commands[] = {
	{ .name = "vm push",
	  .arguments = "FOLDER|DISK REF",
	  .summary = "Send a VM's snapshot or disk to a registry",
	  TRUST_OPTIONS(push_options, struct vm_options),
	  .least = 2,
	  .most = 2,
	  .run = run_push },
	{ .name = "vm pull",
	  .arguments = "REF FOLDER",
	  .summary = "Fetch a VM's snapshot or disk from a registry",
	  TRUST_OPTIONS(pull_options, struct vm_options),
	  .least = 2,
	  .most = 2,
	  .run = run_pull },
	{ .name = "vm ls",
	  .arguments = "REF",
	  .summary = "Show what a snapshot or disk in a registry consists of",
	  TRUST_OPTIONS(ls_options, struct vm_options),
	  .least = 1,
	  .most = 1,
	  .run = run_ls },
	{ .name = "vm rm",
	  .arguments = "REF",
	  .summary = "Remove a snapshot or disk from a registry",
	  TRUST_OPTIONS(ls_options, struct vm_options),
	  .least = 1,
	  .most = 1,
	  .run = run_rm },
	{},
};
