/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "api.h"
#include "vmmapi/bind.h"

#define DRIVE(id, root) \
	"{\"drive_id\":\"" id "\",\"is_root_device\":" root ",\"path_on_host\":\"file\"}"

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	(void)close(fd);
}

static void configure(struct fake *fake)
{
	make_file("file");
	accepted(fake, "PUT", "/boot-source", "{\"kernel_image_path\":\"file\"}");
	accepted(fake, "PUT", "/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":64}");
}

static void start(struct fake *fake)
{
	configure(fake);
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}");
	CHECK_EQ(fake->started, 1);
}

TEST(a_machine_is_configured_started_paused_and_resumed)
{
	og_auto_fake *fake = fake_new();
	og_auto_free char *info = NULL;

	start(fake);
	CHECK_EQ(fake->api.phase, OG_API_RUNNING);
	accepted(fake, "PATCH", "/vm", "{\"state\":\"Paused\"}");
	accepted(fake, "PATCH", "/vm", "{\"state\":\"Paused\"}");
	CHECK_EQ(fake->paused, 1);
	CHECK_EQ(ask(fake, "GET", "/", "", &info), 200);
	CHECK(strstr(info, "\"state\":\"Paused\"") != NULL);
	accepted(fake, "PATCH", "/vm", "{\"state\":\"Resumed\"}");
	accepted(fake, "PATCH", "/vm", "{\"state\":\"Resumed\"}");
	CHECK_EQ(fake->resumed, 1);
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"SendCtrlAltDel\"}");
	CHECK_EQ(fake->updates[OG_UPDATE_CTRL_ALT_DEL], 1);
}

TEST(actions_out_of_order_are_refused)
{
	og_auto_fake *fake = fake_new();

	refused(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}",
		"Cannot start microvm without kernel configuration.");
	refused(fake, "PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}",
		"not supported before starting");
	refused(fake, "PUT", "/actions", "{\"action_type\":\"SendCtrlAltDel\"}",
		"not supported before starting");
	start(fake);
	refused(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}",
		"not supported after starting");
	refused(fake, "PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}", "no output");
	refused(fake, "PUT", "/snapshot/create",
		"{\"snapshot_path\":\"a\",\"mem_file_path\":\"b\"}", "must be paused");
	accepted(fake, "PATCH", "/vm", "{\"state\":\"Paused\"}");
	accepted(fake, "PUT", "/snapshot/create",
		 "{\"snapshot_path\":\"a\",\"mem_file_path\":\"b\"}");
	refused(fake, "PUT", "/snapshot/create",
		"{\"snapshot_path\":\"a\",\"mem_file_path\":\"b\",\"snapshot_type\":\"Diff\"}",
		"track_dirty_pages");
	CHECK_EQ(fake->snapshots, 1);
}

TEST(a_machine_that_does_not_start_may_be_tried_again)
{
	og_auto_fake *fake = fake_new();

	configure(fake);
	fake->fails = true;
	refused(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}",
		"Start microvm error: the machine says no");
	CHECK_EQ(fake->api.phase, OG_API_NOT_STARTED);
	fake->fails = false;
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}");
	fake->fails = true;
	refused(fake, "PATCH", "/vm", "{\"state\":\"Paused\"}", "the machine says no");
	CHECK_EQ(fake->api.phase, OG_API_RUNNING);
}

TEST(a_snapshot_is_loaded_into_an_untouched_machine_alone)
{
	static const char load[] = "{\"snapshot_path\":\"s\",\"mem_backend\":{\"backend_type\":"
				   "\"File\",\"backend_path\":\"m\"}}";
	og_auto_fake *fake = fake_new();

	refused(fake, "PUT", "/snapshot/load", "{\"snapshot_path\":\"s\"}",
		"missing field: either `mem_backend` or `mem_file_path`");
	refused(fake, "PUT", "/snapshot/load",
		"{\"snapshot_path\":\"s\",\"mem_file_path\":\"m\",\"mem_backend\":{\"backend_type\":"
		"\"File\",\"backend_path\":\"m\"}}",
		"too many fields");
	accepted(fake, "PUT", "/logger", "{\"level\":\"Off\"}");
	accepted(fake, "PUT", "/snapshot/load", load);
	CHECK_EQ(fake->loaded_running, 0);
	CHECK_EQ(fake->api.phase, OG_API_PAUSED);
	refused(fake, "PUT", "/snapshot/load", load, "not supported after starting");
	{
		og_auto_fake *other = fake_new();

		configure(other);
		refused(other, "PUT", "/snapshot/load", load, "after configuring boot-specific");
	}
	{
		og_auto_fake *other = fake_new();

		accepted(other, "PUT", "/snapshot/load",
			 "{\"snapshot_path\":\"s\",\"mem_file_path\":\"m\",\"resume_vm\":true}");
		CHECK_EQ(other->loaded_running, 1);
		CHECK_EQ(other->api.phase, OG_API_RUNNING);
	}
}

TEST(what_two_fields_say_together_is_judged)
{
	static const struct {
		const char *path, *body, *says;
	} cases[] = {
		{ "/machine-config", "{\"vcpu_count\":3,\"mem_size_mib\":64,\"smt\":true}",
		  "vcpu_count" },
		{ "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":65,\"huge_pages\":\"2M\"}",
		  "mem_size_mib" },
		{ "/balloon", "{\"amount_mib\":65,\"deflate_on_oom\":false}", "amount_mib" },
		{ "/hotplug/memory", "{\"total_size_mib\":1024,\"block_size_mib\":3}",
		  "block_size_mib" },
		{ "/hotplug/memory", "{\"total_size_mib\":1000}", "total_size_mib" },
		{ "/hotplug/memory", "{\"total_size_mib\":0}", "total_size_mib" },
		{ "/hotplug/memory",
		  "{\"total_size_mib\":1024,\"slot_size_mib\":129,\"block_size_mib\":2}",
		  "slot_size_mib" },
		{ "/mmds/config", "{\"network_interfaces\":[]}", "network_interfaces" },
		{ "/mmds/config", "{\"network_interfaces\":[\"e\"]}", "network_interfaces[0]" },
		{ "/drives/a", "{\"drive_id\":\"a\",\"is_root_device\":false}", "path_on_host" },
		{ "/drives/a", "{\"drive_id\":\"a\",\"is_root_device\":false,\"socket\":\"/x\"}",
		  "socket" },
		{ "/drives/a",
		  "{\"drive_id\":\"a\",\"is_root_device\":false,\"path_on_host\":\"none\"}",
		  "Drive config error: open 'none'" },
		{ "/pmem/a", "{\"id\":\"a\",\"path_on_host\":\"none\"}", "open 'none'" },
		{ "/boot-source", "{\"kernel_image_path\":\"none\"}", "open 'none'" },
		{ "/boot-source", "{\"kernel_image_path\":\"file\",\"initrd_path\":\"none\"}",
		  "open 'none'" },
		{ "/logger", "{\"log_path\":\"none/none\"}", "open 'none/none'" },
		{ "/metrics", "{\"metrics_path\":\"none/none\"}", "open 'none/none'" },
		{ "/pin", "{\"vcpu\":2,\"cpus\":[0]}", "vcpu" },
		{ "/pin", "{\"vcpu\":0,\"cpus\":[]}", "cpus" },
	};

	og_auto_fake *fake = fake_new();

	configure(fake);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(fake, "PUT", cases[i].path, cases[i].body, cases[i].says);
	accepted(
		fake, "PUT", "/network-interfaces/e",
		"{\"iface_id\":\"e\",\"host_dev_name\":\"t\",\"guest_mac\":\"06:00:00:00:00:01\"}");
	refused(fake, "PUT", "/network-interfaces/f",
		"{\"iface_id\":\"f\",\"host_dev_name\":\"t\",\"guest_mac\":\"06:00:00:00:00:01\"}",
		"guest_mac");
	refused(fake, "PUT", "/mmds/config",
		"{\"network_interfaces\":[\"e\"],\"ipv4_address\":\"10.0.0.1\"}", "ipv4_address");
	refused(fake, "PUT", "/mmds/config",
		"{\"network_interfaces\":[\"e\"],\"ipv4_address\":\"169.254.255.1\"}",
		"ipv4_address");
	accepted(fake, "PUT", "/mmds/config",
		 "{\"network_interfaces\":[\"e\"],\"ipv4_address\":\"169.254.170.2\"}");
}

TEST(the_root_drive_comes_first_and_there_is_one)
{
	og_auto_fake *fake = fake_new();

	make_file("file");
	accepted(fake, "PUT", "/drives/a", DRIVE("a", "false"));
	accepted(fake, "PUT", "/drives/b", DRIVE("b", "false"));
	accepted(fake, "PUT", "/drives/root", DRIVE("root", "true"));
	CHECK(strcmp(fake->api.drives[0].body.drive_id, "root") == 0);
	refused(fake, "PUT", "/drives/b", DRIVE("b", "true"), "is_root_device");
	accepted(fake, "PUT", "/drives/root", DRIVE("root", "true"));
	accepted(fake, "PUT", "/drives/a", DRIVE("a", "false"));
	CHECK_EQ(fake->api.n_drives, 3);
	CHECK(strcmp(fake->api.drives[1].body.drive_id, "a") == 0);
	CHECK(strcmp(fake->api.drives[2].body.drive_id, "b") == 0);
	refused(fake, "PUT", "/pmem/p",
		"{\"id\":\"p\",\"path_on_host\":\"file\",\"root_device\":true}", "root_device");
}

TEST(there_is_room_for_so_many_and_no_more)
{
	og_auto_fake *fake = fake_new();
	char path[40], body[160];

	make_file("file");
	for (unsigned i = 0; i <= OG_VMM_DISKS_MAX; i++) {
		(void)snprintf(path, sizeof(path), "/drives/d%u", i);
		(void)snprintf(body, sizeof(body),
			       "{\"drive_id\":\"d%u\",\"is_root_device\":false,\"path_on_host\":"
			       "\"file\"}",
			       i);
		if (i < OG_VMM_DISKS_MAX)
			accepted(fake, "PUT", path, body);
		else
			refused(fake, "PUT", path, body, "16 drives already");
	}
	for (unsigned i = 0; i <= OG_VMM_NETS_MAX; i++) {
		(void)snprintf(path, sizeof(path), "/network-interfaces/n%u", i);
		(void)snprintf(body, sizeof(body), "{\"iface_id\":\"n%u\",\"host_dev_name\":\"t\"}",
			       i);
		if (i < OG_VMM_NETS_MAX)
			accepted(fake, "PUT", path, body);
		else
			refused(fake, "PUT", path, body, "already");
	}
	for (unsigned i = 0; i <= OG_VMM_PMEMS_MAX; i++) {
		(void)snprintf(path, sizeof(path), "/pmem/p%u", i);
		(void)snprintf(body, sizeof(body), "{\"id\":\"p%u\",\"path_on_host\":\"file\"}", i);
		if (i < OG_VMM_PMEMS_MAX)
			accepted(fake, "PUT", path, body);
		else
			refused(fake, "PUT", path, body, "already");
	}
	for (unsigned i = 0; i <= OG_VMM_SHARES_MAX; i++) {
		(void)snprintf(path, sizeof(path), "/fs/s%u", i);
		(void)snprintf(body, sizeof(body), "{\"id\":\"s%u\",\"path_on_host\":\".\"}", i);
		if (i < OG_VMM_SHARES_MAX)
			accepted(fake, "PUT", path, body);
		else
			refused(fake, "PUT", path, body, "already");
	}
}

TEST(a_patch_changes_what_it_names)
{
	og_auto_fake *fake = fake_new();

	accepted(fake, "PUT", "/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":64}");
	accepted(fake, "PATCH", "/machine-config", "{\"track_dirty_pages\":true}");
	CHECK(fake->api.machine.track_dirty_pages);
	CHECK_EQ(fake->api.machine.vcpu_count, 2);
	accepted(fake, "PATCH", "/machine-config", "{\"vcpu_count\":4}");
	CHECK_EQ(fake->api.machine.mem_size_mib, 64);
	CHECK_EQ(fake->api.machine.vcpu_count, 4);
	refused(fake, "PATCH", "/machine-config", "{}", "Empty PATCH request.");
}

TEST(what_runs_is_changed_by_its_own_id)
{
	og_auto_fake *fake = fake_new();

	configure(fake);
	accepted(fake, "PUT", "/drives/d", DRIVE("d", "false"));
	accepted(fake, "PUT", "/pmem/p", "{\"id\":\"p\",\"path_on_host\":\"file\"}");
	accepted(fake, "PUT", "/network-interfaces/n",
		 "{\"iface_id\":\"n\",\"host_dev_name\":\"t\"}");
	accepted(fake, "PUT", "/hotplug/memory", "{\"total_size_mib\":1024}");
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}");
	accepted(fake, "PATCH", "/drives/d", "{\"drive_id\":\"d\"}");
	refused(fake, "PATCH", "/drives/e", "{\"drive_id\":\"e\"}", "drive_id");
	accepted(fake, "PATCH", "/pmem/p", "{\"id\":\"p\"}");
	refused(fake, "PATCH", "/pmem/e", "{\"id\":\"e\"}", "id: there is no");
	accepted(fake, "PATCH", "/network-interfaces/n", "{\"iface_id\":\"n\"}");
	refused(fake, "PATCH", "/network-interfaces/e", "{\"iface_id\":\"e\"}", "iface_id");
	accepted(fake, "PATCH", "/hotplug/memory", "{\"requested_size_mib\":256}");
	refused(fake, "PATCH", "/hotplug/memory", "{\"requested_size_mib\":2048}",
		"requested_size_mib");
	refused(fake, "PATCH", "/hotplug/memory", "{\"requested_size_mib\":101}",
		"requested_size_mib");
	accepted(fake, "GET", "/hotplug/memory", "");
	CHECK_EQ(fake->updates[OG_UPDATE_DRIVE] + fake->updates[OG_UPDATE_PMEM] +
			 fake->updates[OG_UPDATE_NET] + fake->updates[OG_UPDATE_HOTPLUG],
		 4);
}

TEST(a_balloon_has_statistics_and_hints_only_if_it_was_made_so)
{
	og_auto_fake *fake = fake_new();

	configure(fake);
	refused(fake, "GET", "/balloon", "", "No balloon device found.");
	accepted(fake, "PUT", "/balloon", "{\"amount_mib\":1,\"deflate_on_oom\":true}");
	accepted(fake, "GET", "/balloon", "");
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}");
	accepted(fake, "PATCH", "/balloon", "{\"amount_mib\":2}");
	CHECK_EQ(fake->api.balloon.amount_mib, 2);
	refused(fake, "PATCH", "/balloon", "{\"amount_mib\":65}", "amount_mib");
	refused(fake, "GET", "/balloon/statistics", "", "not enabled");
	refused(fake, "PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":1}",
		"not enabled");
	refused(fake, "PATCH", "/balloon/hinting/start", "{}", "not enabled");
	refused(fake, "GET", "/balloon/hinting/status", "", "not enabled");
	refused(fake, "PATCH", "/balloon/hinting/stop", "", "not enabled");
	fake->api.balloon.stats_polling_interval_s = 1;
	fake->api.balloon.free_page_hinting = true;
	accepted(fake, "GET", "/balloon/statistics", "");
	accepted(fake, "PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":5}");
	refused(fake, "PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":0}",
		"stats_polling_interval_s");
	accepted(fake, "PATCH", "/balloon/hinting/start", "");
	accepted(fake, "PATCH", "/balloon/hinting/start", "{\"acknowledge_on_stop\":false}");
	accepted(fake, "GET", "/balloon/hinting/status", "");
	accepted(fake, "PATCH", "/balloon/hinting/stop", "");
	CHECK_EQ(fake->updates[OG_UPDATE_HINTING_START], 2);
}

TEST(paths_and_methods_that_are_none_are_refused)
{
	static const char *const cases[][2] = {
		{ "GET", "/nothing" },
		{ "GET", "/vm" },
		{ "GET", "/drives/a" },
		{ "POST", "/actions" },
		{ "DELETE", "/drives/a" },
		{ "HEAD", "/" },
		{ "get", "/" },
		{ "GET", "/mmds/config" },
		{ "GET", "/version/x" },
		{ "PUT", "/snapshot" },
		{ "GET", "/machine-confi" },
		{ "GET", "/\xff\"\\" },
		{ "PATCH", "/balloon/hinting" },
	};
	og_auto_fake *fake = fake_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(fake, cases[i][0], cases[i][1], "", "Invalid request method and/or path: ");
	accepted(fake, "GET", "/version/", "");
	refused(fake, "GET", "/version", "{}", "GET request cannot have a body.");
}

TEST(metadata_is_put_merged_and_shown)
{
	og_auto_fake *fake = fake_new();
	og_auto_free char *first = NULL, *second = NULL;

	CHECK_EQ(ask(fake, "GET", "/mmds", "", &first), 200);
	CHECK(strcmp(first, "{}") == 0);
	refused(fake, "PATCH", "/mmds", "{\"a\":1}", "not initialized");
	accepted(fake, "PUT", "/mmds", "{\"a\":{\"b\":1}}");
	accepted(fake, "PATCH", "/mmds", "{\"a\":{\"c\":2}}");
	CHECK_EQ(ask(fake, "GET", "/mmds", "", &second), 200);
	CHECK(strcmp(second, "{\"a\":{\"b\":1,\"c\":2}}") == 0);
	refused(fake, "PUT", "/mmds", "{\"a\":1,\"a\":2}", "two equal keys");
	fake->api.mmds.max_bytes = 10;
	CHECK_EQ(ask(fake, "PUT", "/mmds", "{\"a\":\"0123456789\"}", NULL), 413);
	CHECK_EQ(fake->updates[OG_UPDATE_MMDS], 0);
	fake->api.phase = OG_API_RUNNING;
	fake->api.has_mmds_config = true;
	accepted(fake, "PUT", "/mmds", "{}");
	CHECK_EQ(fake->updates[OG_UPDATE_MMDS], 1);
}

static int read_config(struct fake *fake, const char *text, struct og_err *err)
{
	return og_vmmapi_configure(&fake->api, text, strlen(text), err);
}

TEST(a_file_configures_like_the_api)
{
	static const char text[] =
		"{\"mmds-config\":{\"network_interfaces\":[\"e\"]},\"drives\":[" DRIVE("a", "false") "," DRIVE(
			"r",
			"true") "],"
				"\"boot-source\":{\"kernel_image_path\":\"file\"},\"network-interfaces\":[{"
				"\"iface_id\":\"e\",\"host_dev_name\":\"t\"}],\"machine-config\":{\"vcpu_count\":2,"
				"\"mem_size_mib\":64},\"vsock\":null}";
	og_auto_fake *fake = fake_new(), *again = fake_new();
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	og_auto_free char *written = NULL, *other = NULL;
	struct og_err err = {};

	make_file("file");
	CHECK_OK(read_config(fake, text, &err));
	CHECK(fake->api.has_mmds_config && !fake->api.has_vsock);
	CHECK_EQ(fake->api.n_drives, 2);
	/* What is shown can be read again. */
	json = og_vmmapi_describe(&fake->api);
	written = og_json_write(json);
	CHECK_OK(read_config(again, written, &err));
	(void)og_json_free(json);
	json = og_vmmapi_describe(&again->api);
	other = og_json_write(json);
	CHECK(strcmp(written, other) == 0);
}

TEST(a_file_that_is_wrong_says_where)
{
	static const char *const cases[][2] = {
		{ "{}", "missing field `boot-source`" },
		{ "[]", "no object" },
		{ "{\"boot-source\":{}}", "boot-source: missing field `kernel_image_path`" },
		{ "{\"boot-source\":{\"kernel_image_path\":\"file\"},\"x\":1}",
		  "unknown field `x`" },
		{ "{\"boot-source\":{\"kernel_image_path\":\"file\"},\"drives\":{}}", "`drives`" },
		{ "{\"boot-source\":{\"kernel_image_path\":\"file\"},\"drives\":[" DRIVE(
			  "a", "true") ",{}]}",
		  "drives[1]: missing field `drive_id`" },
		{ "{\"boot-source\":{\"kernel_image_path\":\"none\"}}", "open 'none'" },
		{ "{\"boot-source\":", "JSON" },
	};

	make_file("file");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_fake *fake = fake_new();
		struct og_err err = {};

		CHECK(read_config(fake, cases[i][0], &err) < 0);
		if (strstr(err.text, cases[i][1]) == NULL)
			fprintf(stderr, "%s: %s\n", cases[i][0], err.text);
		CHECK(strstr(err.text, cases[i][1]) != NULL);
	}
}

TEST(metrics_are_what_was_added_since)
{
	og_auto_fake *fake = fake_new();
	struct og_metrics *shared = calloc(1, sizeof(*shared)),
			  *before = calloc(1, sizeof(*before));
	og_auto_free char *line = NULL;
	struct og_json *json;
	char text[8192];
	int fd;

	CHECK(shared != NULL && before != NULL);
	fake->api.metrics.shared = shared;
	fake->api.metrics.before = before;
	configure(fake);
	accepted(fake, "PUT", "/drives/d", DRIVE("d", "false"));
	accepted(fake, "PUT", "/metrics",
		 "{\"metrics_path\":\"metrics\",\"emit_id\":true,\"properties\":{\"k\":\"v\"}}");
	refused(fake, "PUT", "/metrics", "{\"metrics_path\":\"other\"}", "Reinitialization");
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}");
	og_counted(&shared->blk[0].read_bytes, 512);
	accepted(fake, "PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}");
	json = og_metrics_collect(&fake->api.metrics, &fake->api);
	line = og_json_write(json);
	(void)og_json_free(json);
	CHECK(strstr(line, "\"read_bytes\":512") == NULL);

	fd = open("metrics", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	memset(text, 0, sizeof(text));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	CHECK(strstr(text, "\"block_d\":{") != NULL);
	CHECK(strstr(text, "\"read_bytes\":512") != NULL);
	CHECK(strstr(text, "\"drive_count\":1,\"drive_fails\":0") != NULL);
	CHECK(strstr(text, "\"id\":\"anonymous-instance\",\"properties\":{\"k\":\"v\"}") != NULL);
	CHECK(text[strlen(text) - 1] == '\n');
	free(shared);
	free(before);
}

TEST(the_log_shows_what_its_level_and_module_let_through)
{
	og_auto_fake *fake = fake_new();
	char text[4096] = "";
	int fd;

	accepted(fake, "PUT", "/logger",
		 "{\"log_path\":\"log\",\"level\":\"wArNiNg\",\"show_level\":true,"
		 "\"module\":\"api\"}");
	accepted(fake, "GET", "/version", "");
	refused(fake, "GET", "/no\"thing", "", "Invalid request");
	og_log(&fake->api.logger, OG_LEVEL_ERROR, "vmm", "another part");
	fd = open("log", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	CHECK(strstr(text, "[anonymous-instance:api_server:ERROR] Received Error.") != NULL);
	CHECK(strstr(text, "version") == NULL && strstr(text, "another part") == NULL);
}

TEST(a_cpu_template_becomes_numbers)
{
	static const char text[] =
		"{\"kvm_capabilities\":[\"!56\",\"171\"],\"cpuid_modifiers\":[{\"leaf\":\"0x7\","
		"\"subleaf\":\"0b1\",\"flags\":1,\"modifiers\":[{\"register\":\"ecx\",\"bitmap\":"
		"\"0b1x_0\"}]}],\"msr_modifiers\":[{\"addr\":\"0x10a\",\"bitmap\":\"0bx1\"}]}";
	og_auto_fake *fake = fake_new();
	struct og_cpu_template template;

	accepted(fake, "PUT", "/cpu-config", text);
	CHECK_OK(og_cpu_config_convert(&fake->api.cpu_config, &template, NULL));
	CHECK_EQ(template.n_leaves, 1);
	CHECK_EQ(template.leaves[0].leaf, 7);
	CHECK_EQ(template.leaves[0].subleaf, 1);
	CHECK_EQ(template.leaves[0].registers[OG_ECX].mask, 5);
	CHECK_EQ(template.leaves[0].registers[OG_ECX].value, 4);
	CHECK_EQ(template.msrs[0].index, 0x10a);
	CHECK_EQ(template.msrs[0].mask, 1);
	CHECK_EQ(template.msrs[0].value, 1);
	CHECK_EQ(template.n_capabilities, 1);
	CHECK_EQ(template.capabilities[0], 171);
}

TEST_MAIN(TEST_ENTRY(a_machine_is_configured_started_paused_and_resumed),
	  TEST_ENTRY(actions_out_of_order_are_refused),
	  TEST_ENTRY(a_machine_that_does_not_start_may_be_tried_again),
	  TEST_ENTRY(a_snapshot_is_loaded_into_an_untouched_machine_alone),
	  TEST_ENTRY(what_two_fields_say_together_is_judged),
	  TEST_ENTRY(the_root_drive_comes_first_and_there_is_one),
	  TEST_ENTRY(there_is_room_for_so_many_and_no_more),
	  TEST_ENTRY(a_patch_changes_what_it_names), TEST_ENTRY(what_runs_is_changed_by_its_own_id),
	  TEST_ENTRY(a_balloon_has_statistics_and_hints_only_if_it_was_made_so),
	  TEST_ENTRY(paths_and_methods_that_are_none_are_refused),
	  TEST_ENTRY(metadata_is_put_merged_and_shown), TEST_ENTRY(a_file_configures_like_the_api),
	  TEST_ENTRY(a_file_that_is_wrong_says_where), TEST_ENTRY(metrics_are_what_was_added_since),
	  TEST_ENTRY(the_log_shows_what_its_level_and_module_let_through),
	  TEST_ENTRY(a_cpu_template_becomes_numbers))
