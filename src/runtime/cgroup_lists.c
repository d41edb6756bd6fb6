/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that are lists: of devices, sizes, interfaces, and of files themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup_limits.h"

/* Where a controller's file is: the folder, and which of the two names. */
int og_limit_write(const struct og_limiting *limiting, const char *controller, const char *v1_file,
		   const char *v2_file, const char *text)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, controller);
	bool v2 = tree == NULL;
	const char *file = v2 ? v2_file : v1_file;
	og_auto_free char *path = NULL;
	int r;

	if (v2)
		tree = og_cgroup_tree(limiting->cgroup, "");
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
	return r < 0 ? og_fail_in(limiting->err, r, "linux.resources.%s", limiting->field) : 0;
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

int og_limit_throttles(struct og_limiting *limiting)
{
	bool v2 = og_cgroup_tree(limiting->cgroup, "blkio") == NULL;

	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct throttle_row *row = &throttles[i];
		const struct og_oci_throttle *list =
			(const void *)((const char *)&limiting->res->block_io + row->offset);

		limiting->field = row->field;
		for (size_t j = 0; j < list->count; j++) {
			const struct og_oci_throttle_device *device = &list->items[j];
			char text[OG_LIMIT_VALUE_MAX];
			int r;

			(void)snprintf(text, sizeof(text), "%lld:%lld %s%s%llu",
				       (long long)device->major, (long long)device->minor,
				       v2 ? row->v2_key : "", v2 ? "=" : "",
				       (unsigned long long)device->rate);
			r = og_limit_write(limiting, "blkio", row->v1_file, "io.max", text);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int og_limit_weights(struct og_limiting *limiting)
{
	limiting->field = "blockIO.weightDevice";
	for (size_t i = 0; i < limiting->res->block_io.weight_device.count; i++) {
		const struct og_oci_weight_device *device =
			&limiting->res->block_io.weight_device.items[i];
		char text[OG_LIMIT_VALUE_MAX];
		int r;

		if (!device->weight.set)
			continue;
		(void)snprintf(text, sizeof(text), "%lld:%lld %llu", (long long)device->major,
			       (long long)device->minor, (unsigned long long)device->weight.value);
		r = og_limit_write(limiting, "blkio", "blkio.weight_device", "io.weight", text);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_file_name(const char *name)
{
	return strchr(name, '/') == NULL && name[0] != '.' && name[0] != '\0';
}

int og_limit_hugepages(struct og_limiting *limiting)
{
	limiting->field = "hugepageLimits";
	for (size_t i = 0; i < limiting->res->hugepage_limits.count; i++) {
		const char *size = limiting->res->hugepage_limits.items[i].page_size;
		og_auto_free char *v1_file = og_strdupf("hugetlb.%s.limit_in_bytes", size);
		og_auto_free char *v2_file = og_strdupf("hugetlb.%s.max", size);
		char text[OG_LIMIT_VALUE_MAX];
		int r;

		if (v1_file == NULL || v2_file == NULL || !is_file_name(size))
			return og_fail(limiting->err, -EINVAL,
				       "linux.resources.hugepageLimits[%zu].pageSize is '%.20s'", i,
				       size);
		(void)snprintf(text, sizeof(text), "%llu",
			       (unsigned long long)limiting->res->hugepage_limits.items[i].limit);
		r = og_limit_write(limiting, "hugetlb", v1_file, v2_file, text);
		if (r < 0)
			return r;
	}
	return 0;
}

int og_limit_priorities(struct og_limiting *limiting)
{
	limiting->field = "network.priorities";
	for (size_t i = 0; i < limiting->res->network.priorities.count; i++) {
		const struct og_oci_net_priority *priority =
			&limiting->res->network.priorities.items[i];
		char text[OG_LIMIT_VALUE_MAX];
		int r;

		(void)snprintf(text, sizeof(text), "%.64s %llu", priority->name,
			       (unsigned long long)priority->priority);
		r = og_limit_write(limiting, "net_prio", "net_prio.ifpriomap", NULL, text);
		if (r < 0)
			return r;
	}
	return 0;
}

static void number_text(const struct og_oci_uint *number, char text[OG_LIMIT_VALUE_MAX])
{
	if (number->set)
		(void)snprintf(text, OG_LIMIT_VALUE_MAX, "%llu", (unsigned long long)number->value);
}

int og_limit_rdma(struct og_limiting *limiting)
{
	limiting->field = "rdma";
	for (size_t i = 0; i < limiting->res->rdma.count; i++) {
		const struct og_oci_rdma *rdma = &limiting->res->rdma.items[i];
		char handles[OG_LIMIT_VALUE_MAX] = "max";
		char objects[OG_LIMIT_VALUE_MAX] = "max";
		char text[OG_LIMIT_VALUE_MAX];
		int r;

		number_text(&rdma->hca_handles, handles);
		number_text(&rdma->hca_objects, objects);
		(void)snprintf(text, sizeof(text), "%.64s hca_handle=%.20s hca_object=%.20s",
			       rdma->device, handles, objects);
		r = og_limit_write(limiting, "rdma", "rdma.max", "rdma.max", text);
		if (r < 0)
			return r;
	}
	return 0;
}

int og_limit_unified(struct og_limiting *limiting)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, "");

	for (size_t i = 0; i < limiting->res->unified.count; i++) {
		const struct og_oci_pair *pair = &limiting->res->unified.items[i];
		og_auto_free char *path = NULL;
		int r;

		if (tree == NULL || !is_file_name(pair->key))
			return og_fail(
				limiting->err, -ENOTSUP,
				"linux.resources.unified: this host has no control group file %.60s",
				pair->key);
		path = og_strdupf("%s/%s", tree->dir, pair->key);
		r = path == NULL ? -ENOMEM
				 : og_write_file(AT_FDCWD, path, pair->value, limiting->err);
		if (r < 0)
			return og_fail_in(limiting->err, r, "linux.resources.unified");
	}
	return 0;
}
