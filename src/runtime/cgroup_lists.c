/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that are lists: of devices, sizes, interfaces, and of files themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup_limits.h"

#define VALUE_MAX 128 /* "4095:1048575 wiops=18446744073709551615" and its like */

static const struct og_cgroup_tree *tree_of(const struct og_cgroup *cgroup, const char *controller,
					    bool *ret_v2)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, controller);

	*ret_v2 = tree == NULL;
	return tree != NULL ? tree : og_cgroup_tree(cgroup, "");
}

int og_limit_write(const struct og_limiting *limiting, const char *controller, const char *v1_file,
		   const char *v2_file, const char *text)
{
	bool v2;
	const struct og_cgroup_tree *tree = tree_of(limiting->cgroup, controller, &v2);
	const char *file = v2 ? v2_file : v1_file;
	og_auto_free char *path = NULL;
	int r;

	if (tree == NULL || file == NULL)
		return og_fail(
			limiting->err, -ENOTSUP,
			limiting->cgroup->lenient
				? "linux.resources.%s: no control group with %s was given to this user"
				: "linux.resources.%s: this host has no control group file %s",
			limiting->field, v1_file != NULL ? v1_file : v2_file);
	path = og_strdupf("%s/%s", tree->dir, file);
	if (path == NULL)
		return og_fail(limiting->err, -ENOMEM, "limit");
	r = og_write_file(AT_FDCWD, path, text, limiting->err);
	if (r == -ENOENT)
		return og_fail_plain(limiting->err, r,
				     "linux.resources.%s: there is no file '%s': the kernel or the "
				     "groups above do not offer it",
				     limiting->field, path);
	return r < 0 ? og_fail_in(limiting->err, r, "linux.resources.%s", limiting->field) : 0;
}

/* Whether the group has @file of @controller, by the name of the version that is used. */
static bool has_file(const struct og_limiting *limiting, const char *controller,
		     const char *v1_file, const char *v2_file)
{
	bool v2;
	const struct og_cgroup_tree *tree = tree_of(limiting->cgroup, controller, &v2);
	og_auto_free char *path =
		tree == NULL ? NULL : og_strdupf("%s/%s", tree->dir, v2 ? v2_file : v1_file);

	return path != NULL && access(path, F_OK) == 0;
}

struct throttle_row {
	const char *field, *v1_file, *v2_key;
	size_t offset;
};

#define THROTTLE(field, file, key, member)                                            \
	{                                                                             \
		"blockIO." field, file, key, offsetof(struct og_oci_block_io, member) \
	}

static const struct throttle_row throttles[] = {
	THROTTLE("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps", read_bps),
	THROTTLE("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps", write_bps),
	THROTTLE("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops", read_iops),
	THROTTLE("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops",
		 write_iops),
};

/* Version 1 takes 0 for no limit, version 2 "max". */
static int throttle(struct og_limiting *limiting, const struct throttle_row *row,
		    const struct og_oci_throttle_device *device)
{
	bool v2 = og_cgroup_tree(limiting->cgroup, "blkio") == NULL;
	char line[VALUE_MAX];

	if (v2 && device->rate == 0)
		(void)snprintf(line, sizeof(line), "%lld:%lld %s=max", (long long)device->major,
			       (long long)device->minor, row->v2_key);
	else
		(void)snprintf(line, sizeof(line), "%lld:%lld %s%s%llu", (long long)device->major,
			       (long long)device->minor, v2 ? row->v2_key : "", v2 ? "=" : "",
			       (unsigned long long)device->rate);
	return og_limit_write(limiting, "blkio", row->v1_file, "io.max", line);
}

int og_limit_throttles(struct og_limiting *limiting)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct throttle_row *row = &throttles[i];
		const struct og_oci_throttle *list =
			(const void *)((const char *)&limiting->res->block_io + row->offset);

		for (size_t j = 0; r == 0 && j < list->count; j++) {
			(void)snprintf(limiting->field, sizeof(limiting->field), "%s[%zu]",
				       row->field, j);
			r = throttle(limiting, row, &list->items[j]);
		}
	}
	return r;
}

/* The files of a weight: who shares by weight is a matter of the kernel's age and choices. */
struct weight_files {
	const char *all, *device; /* NULL: none */
	bool scaled;		  /* 1 to 10000 instead of 1 to 1000 */
};

static struct weight_files weight_files(const struct og_limiting *limiting)
{
	static const struct weight_files cfq = { "blkio.weight", "blkio.weight_device", false };
	static const struct weight_files bfq = { "blkio.bfq.weight", "blkio.bfq.weight_device",
						 false };
	static const struct weight_files bfq_v2 = { "io.bfq.weight", "io.bfq.weight", false };
	static const struct weight_files v2 = { "io.weight", "io.weight", true };

	if (og_cgroup_tree(limiting->cgroup, "blkio") != NULL)
		return has_file(limiting, "blkio", bfq.all, NULL) ? bfq : cfq;
	return has_file(limiting, "blkio", NULL, bfq_v2.all) ? bfq_v2 : v2;
}

/* 10 to 1000 of the specification are 1 to 10000 of version 2. */
static unsigned long long scale(const struct weight_files *files, uint64_t weight)
{
	if (!files->scaled)
		return weight;
	return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

static int weight_of_device(const struct og_limiting *limiting, const struct weight_files *files,
			    const struct og_oci_weight_device *device)
{
	char line[VALUE_MAX];
	int r = 0;

	if (!device->weight.set && !device->leaf_weight.set)
		return og_fail(limiting->err, -EINVAL,
			       "linux.resources.%s has neither weight nor leafWeight",
			       limiting->field);
	if (device->weight.set) {
		(void)snprintf(line, sizeof(line), "%lld:%lld %llu", (long long)device->major,
			       (long long)device->minor, scale(files, device->weight.value));
		r = og_limit_write(limiting, "blkio", files->device, files->device, line);
	}
	if (r == 0 && device->leaf_weight.set) {
		(void)snprintf(line, sizeof(line), "%lld:%lld %llu", (long long)device->major,
			       (long long)device->minor,
			       (unsigned long long)device->leaf_weight.value);
		r = og_limit_write(limiting, "blkio", "blkio.leaf_weight_device", NULL, line);
	}
	return r;
}

int og_limit_weights(struct og_limiting *limiting)
{
	const struct og_oci_block_io *io = &limiting->res->block_io;
	struct weight_files files;
	char line[VALUE_MAX];
	int r = 0;

	if (io->weight.value == 0 && io->weight_device.count == 0)
		return 0;
	files = weight_files(limiting);
	if (io->weight.value != 0) {
		(void)snprintf(limiting->field, sizeof(limiting->field), "blockIO.weight");
		(void)snprintf(line, sizeof(line), "%llu", scale(&files, io->weight.value));
		r = og_limit_write(limiting, "blkio", files.all, files.all, line);
	}
	for (size_t i = 0; r == 0 && i < io->weight_device.count; i++) {
		(void)snprintf(limiting->field, sizeof(limiting->field),
			       "blockIO.weightDevice[%zu]", i);
		r = weight_of_device(limiting, &files, &io->weight_device.items[i]);
	}
	return r;
}

static bool is_file_name(const char *name)
{
	return strchr(name, '/') == NULL && name[0] != '.' && name[0] != '\0';
}

/* "64KB", "2MB", "1GB" */
static bool is_page_size(const char *size)
{
	size_t digits = strspn(size, "0123456789");

	return digits > 0 && digits < 8 && size[digits] != '\0' &&
	       strchr("KMG", size[digits]) != NULL && og_streq(size + digits + 1, "B");
}

/* What is reserved is limited where the kernel counts that, and what is used everywhere. */
static int limit_pages(const struct og_limiting *limiting, const char *size, const char *value)
{
	og_auto_free char *v1_file = og_strdupf("hugetlb.%s.limit_in_bytes", size);
	og_auto_free char *v2_file = og_strdupf("hugetlb.%s.max", size);
	og_auto_free char *v1_rsvd = og_strdupf("hugetlb.%s.rsvd.limit_in_bytes", size);
	og_auto_free char *v2_rsvd = og_strdupf("hugetlb.%s.rsvd.max", size);
	int r;

	if (v1_file == NULL || v2_file == NULL || v1_rsvd == NULL || v2_rsvd == NULL)
		return og_fail(limiting->err, -ENOMEM, "limit");
	r = og_limit_write(limiting, "hugetlb", v1_file, v2_file, value);
	if (r < 0 || !has_file(limiting, "hugetlb", v1_rsvd, v2_rsvd))
		return r;
	return og_limit_write(limiting, "hugetlb", v1_rsvd, v2_rsvd, value);
}

int og_limit_hugepages(struct og_limiting *limiting)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < limiting->res->hugepage_limits.count; i++) {
		const struct og_oci_hugepage_limit *limit =
			&limiting->res->hugepage_limits.items[i];
		char value[VALUE_MAX];

		(void)snprintf(limiting->field, sizeof(limiting->field), "hugepageLimits[%zu]", i);
		if (!is_page_size(limit->page_size))
			return og_fail(limiting->err, -EINVAL,
				       "linux.resources.%s.pageSize is '%.20s', not like 2MB",
				       limiting->field, limit->page_size);
		(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)limit->limit);
		r = limit_pages(limiting, limit->page_size, value);
	}
	return r;
}

int og_limit_priorities(struct og_limiting *limiting)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < limiting->res->network.priorities.count; i++) {
		const struct og_oci_net_priority *priority =
			&limiting->res->network.priorities.items[i];
		og_auto_free char *line = og_strdupf("%s %llu", priority->name,
						     (unsigned long long)priority->priority);

		(void)snprintf(limiting->field, sizeof(limiting->field), "network.priorities[%zu]",
			       i);
		r = line == NULL ? og_fail(limiting->err, -ENOMEM, "limit")
				 : og_limit_write(limiting, "net_prio", "net_prio.ifpriomap", NULL,
						  line);
	}
	return r;
}

/* Of the two only what is given: the other stays as it is. */
static int limit_rdma(const struct og_limiting *limiting, const struct og_oci_rdma *rdma)
{
	og_auto_text line = {};

	if (!rdma->hca_handles.set && !rdma->hca_objects.set)
		return og_fail(limiting->err, -EINVAL,
			       "linux.resources.%s has neither hcaHandles nor hcaObjects",
			       limiting->field);
	og_text_add(&line, rdma->device);
	if (rdma->hca_handles.set)
		og_text_addf(&line, " hca_handle=%llu",
			     (unsigned long long)rdma->hca_handles.value);
	if (rdma->hca_objects.set)
		og_text_addf(&line, " hca_object=%llu",
			     (unsigned long long)rdma->hca_objects.value);
	return line.failed ? og_fail(limiting->err, -ENOMEM, "limit")
			   : og_limit_write(limiting, "rdma", "rdma.max", "rdma.max", line.buf);
}

int og_limit_rdma(struct og_limiting *limiting)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < limiting->res->rdma.count; i++) {
		(void)snprintf(limiting->field, sizeof(limiting->field), "rdma.%.40s",
			       limiting->res->rdma.items[i].device);
		r = limit_rdma(limiting, &limiting->res->rdma.items[i]);
	}
	return r;
}

/* A file such as io.max takes one line a write. */
static int write_lines(const struct og_cgroup_tree *tree, const struct og_oci_pair *pair,
		       struct og_err *err)
{
	og_auto_free char *path = og_strdupf("%s/%s", tree->dir, pair->key);
	og_auto_free char *value = strdup(pair->value);
	char *rest = value;
	int r = path == NULL || value == NULL ? -ENOMEM : 0;

	for (char *line; r == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		if (*line != '\0' || pair->value[0] == '\0')
			r = og_write_file(AT_FDCWD, path, line, err);
	}
	if (r == -ENOENT)
		return og_fail_plain(err, r,
				     "there is no file '%s': the kernel or the groups above do not "
				     "offer it",
				     path);
	return r;
}

int og_limit_unified(struct og_limiting *limiting)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, "");

	for (size_t i = 0; i < limiting->res->unified.count; i++) {
		const struct og_oci_pair *pair = &limiting->res->unified.items[i];
		int r;

		if (tree == NULL || !is_file_name(pair->key))
			return og_fail(
				limiting->err, -ENOTSUP,
				"linux.resources.unified: this host has no control group file %.60s",
				pair->key);
		r = write_lines(tree, pair, limiting->err);
		if (r < 0)
			return og_fail_in(limiting->err, r, "linux.resources.unified.%.60s",
					  pair->key);
	}
	return 0;
}
