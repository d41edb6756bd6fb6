/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked at any time, and what is about the service itself: log, metrics, metadata. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vmmapi/routes.h"

int og_put_logger(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	(void)ret_json;
	return og_logger_configure(&api->logger, body, err);
}

int og_put_metrics(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)ret_json;
	return og_metrics_configure(&api->metrics, body, err);
}

/* The machine answers its guest from a copy of its own. */
static int tell_machine(struct og_vmmapi *api, struct og_err *err)
{
	if (api->phase == OG_API_NOT_STARTED || !api->has_mmds_config)
		return 0;
	return api->ops->update(api->data, api, OG_UPDATE_MMDS, NULL, err);
}

int og_put_mmds(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	int r = og_mmds_store_put(&api->mmds, body, err);

	(void)ret_json;
	return r < 0 ? r : tell_machine(api, err);
}

int og_patch_mmds(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	int r = og_mmds_store_patch(&api->mmds, body, err);

	(void)ret_json;
	return r < 0 ? r : tell_machine(api, err);
}

int og_get_mmds(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	(void)body;
	(void)err;
	*ret_json = api->mmds.data == NULL ? og_json_new_object() : og_json_copy(api->mmds.data);
	return 0;
}

int og_get_instance(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		    struct og_err *err)
{
	static const char *const states[] = { "Not started", "Running", "Paused" };
	struct og_json *json = og_json_new_object();

	(void)body;
	(void)err;
	og_json_set_string(json, "id", api->id);
	og_json_set_string(json, "state", states[api->phase]);
	og_json_set_string(json, "vmm_version", OG_VERSION);
	og_json_set_string(json, "app_name", "onggi-vmm");
	*ret_json = json;
	return 0;
}

int og_get_version(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)api;
	(void)body;
	(void)err;
	*ret_json = og_json_new_object();
	og_json_set_string(*ret_json, "firecracker_version", OG_VERSION);
	return 0;
}

int og_get_machine(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)body;
	(void)err;
	*ret_json = og_body_write(&og_body_machine, &api->machine);
	return 0;
}

int og_get_balloon(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	(void)body;
	if (!api->has_balloon)
		return og_fail_plain(err, -ENODEV, "No balloon device found.");
	*ret_json = og_body_write(&og_body_balloon, &api->balloon);
	return 0;
}

static struct og_json *write_if(bool there, const struct og_body *body, const void *data)
{
	return there ? og_body_write(body, data) : NULL;
}

static struct og_json *write_list(const struct og_body *body, const void *first, size_t stride,
				  unsigned n)
{
	struct og_json *list = og_json_new_array();

	for (unsigned i = 0; i < n; i++)
		og_json_push(list, og_body_write(body, (const uint8_t *)first + i * stride));
	return list;
}

struct og_json *og_vmmapi_describe(const struct og_vmmapi *api)
{
	struct og_json *json = og_json_new_object();

	og_json_set(json, "balloon", write_if(api->has_balloon, &og_body_balloon, &api->balloon));
	og_json_set(json, "drives",
		    write_list(&og_body_drive, &api->drives[0].body, sizeof(api->drives[0]),
			       api->n_drives));
	og_json_set(json, "boot-source", write_if(api->kernel_fd >= 0, &og_body_boot, &api->boot));
	og_json_set(json, "cpu-config",
		    write_if(api->has_cpu_config, &og_body_cpu_config, &api->cpu_config));
	og_json_set(json, "logger", NULL); /* of this process, not of the machine */
	og_json_set(json, "metrics", NULL);
	og_json_set(json, "machine-config", og_body_write(&og_body_machine, &api->machine));
	og_json_set(json, "memory-hotplug",
		    write_if(api->has_hotplug, &og_body_hotplug, &api->hotplug));
	og_json_set(json, "mmds-config",
		    write_if(api->has_mmds_config, &og_body_mmds_config, &api->mmds_config));
	og_json_set(json, "network-interfaces",
		    write_list(&og_body_net, api->nets, sizeof(api->nets[0]), api->n_nets));
	og_json_set(json, "pmem",
		    write_list(&og_body_pmem, &api->pmems[0].body, sizeof(api->pmems[0]),
			       api->n_pmems));
	og_json_set(json, "vsock", write_if(api->has_vsock, &og_body_vsock, &api->vsock));
	og_json_set(json, "entropy", write_if(api->has_entropy, &og_body_entropy, &api->entropy));
	og_json_set(json, "serial", write_if(api->has_serial, &og_body_serial, &api->serial));
	og_json_set(json, "shared-folders",
		    write_list(&og_body_fs, api->shares, sizeof(api->shares[0]), api->n_shares));
	return json;
}

int og_get_config(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	(void)body;
	(void)err;
	*ret_json = og_vmmapi_describe(api);
	return 0;
}

static void set_default_machine(struct og_vmmapi *api)
{
	api->machine = (struct og_api_machine){ .vcpu_count = 1,
						.mem_size_mib = 128 }; /* as Firecracker */
}

void og_vmmapi_init(struct og_vmmapi *api, const struct og_vmmapi_ops *ops, void *data)
{
	/* Field by field: most of it is large, zero, and never touched by a small machine. */
	api->ops = ops;
	api->data = data;
	memcpy(api->id, OG_API_ID_DEFAULT, sizeof(OG_API_ID_DEFAULT));
	set_default_machine(api);
	api->kernel_fd = api->initrd_fd = -EBADF;
	api->logger.fd = api->metrics.fd = -EBADF;
	api->logger.level = OG_LEVEL_INFO;
	api->logger.id = api->id;
	api->mmds.max_bytes = OG_API_PAYLOAD_MAX;
}

void og_vmmapi_forget(struct og_vmmapi *api)
{
	set_default_machine(api);
	for (unsigned i = 0; i < api->n_drives; i++)
		(void)og_close(api->drives[i].fd);
	for (unsigned i = 0; i < api->n_pmems; i++)
		(void)og_close(api->pmems[i].fd);
	api->n_drives = api->n_pmems = api->n_nets = api->n_shares = api->n_pins = 0;
	api->has_vsock = api->has_balloon = api->has_entropy = api->has_hotplug = false;
	api->has_serial = api->has_mmds_config = api->has_cpu_config = api->touched = false;
}

void og_vmmapi_done(struct og_vmmapi *api)
{
	og_vmmapi_forget(api);
	(void)og_close(api->kernel_fd);
	(void)og_close(api->initrd_fd);
	(void)og_close(api->logger.fd);
	(void)og_close(api->metrics.fd);
	og_mmds_store_done(&api->mmds);
}
