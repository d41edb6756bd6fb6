/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every member of config.json, one after the other, made wrong in every way: what comes out is an
 * error that begins with the member's path. The members are those of every_field.h, found by
 * walking it, so that a new one there is tested here by that alone.
 */
#include "format/oci_config.h"

#include <errno.h>

#include "base/json.h"
#include "base/test.h"
#include "base/text.h"
#include "every_field.h"

#define LONG_BYTES   (100U << 20)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum change {
	REPLACE, /* the value, by other text */
	OMIT,	 /* the member */
	TWICE,	 /* the member once more */
};

struct edit {
	enum change change;
	const char *path;
	const char *text;
};

static void write_value(struct og_text *out, const struct og_json *value, const char *path,
			const struct edit *edit);

static void write_members(struct og_text *out, const struct og_json *object, const char *path,
			  const struct edit *edit)
{
	struct og_json_member member = {};
	const char *comma = "";

	while (og_json_next(object, &member)) {
		og_auto_free char *at =
			og_strdupf("%s%s%s", path, path[0] != '\0' ? "." : "", member.key);
		bool here = og_streq(at, edit->path);

		if (here && edit->change == OMIT)
			continue;
		for (int i = 0; i < (here && edit->change == TWICE ? 2 : 1); i++) {
			og_text_addf(out, "%s\"%s\":", comma, member.key);
			write_value(out, member.value, at, edit);
			comma = ",";
		}
	}
}

static void write_elements(struct og_text *out, const struct og_json *array, const char *path,
			   const struct edit *edit)
{
	for (size_t i = 0; i < og_json_count(array); i++) {
		og_auto_free char *at = og_strdupf("%s[%zu]", path, i);

		og_text_add(out, i > 0 ? "," : "");
		write_value(out, og_json_at(array, i), at, edit);
	}
}

static void write_value(struct og_text *out, const struct og_json *value, const char *path,
			const struct edit *edit)
{
	enum og_json_kind kind = og_json_kind(value);

	if (edit->change == REPLACE && og_streq(path, edit->path)) {
		og_text_add(out, edit->text);
	} else if (kind == OG_JSON_OBJECT) {
		og_text_add(out, "{");
		write_members(out, value, path, edit);
		og_text_add(out, "}");
	} else if (kind == OG_JSON_ARRAY) {
		og_text_add(out, "[");
		write_elements(out, value, path, edit);
		og_text_add(out, "]");
	} else {
		og_auto_free char *text = og_json_write(value);

		og_text_add(out, text);
	}
}

static struct og_json *document(void)
{
	struct og_json *root = NULL;

	CHECK_OK(og_json_parse(every_field, sizeof(every_field) - 1, &root, NULL));
	return root;
}

static char *edited(const struct og_json *root, struct edit edit)
{
	struct og_text text = {};

	write_value(&text, root, "", &edit);
	return og_text_take(&text);
}

static int parse(const char *text, size_t len, struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	int r;

	*err = (struct og_err){};
	r = og_oci_config_parse(text, len, &config, err);
	CHECK((r == 0) == (config != NULL));
	CHECK(strchr(err->text, '\n') == NULL);
	return r;
}

/* The error has to name @path: at its beginning, or behind what the JSON reader says. */
static void check_refused(const struct og_json *root, struct edit edit, int code)
{
	og_auto_free char *text = edited(root, edit);
	struct og_err err;
	int r = parse(text, strlen(text), &err);
	const char *found = strstr(err.text, edit.path);
	bool named = found != NULL && strchr(" :'", found[strlen(edit.path)]) != NULL &&
		     (found == err.text || og_starts_with(err.text, "JSON: "));

	if (r != code || !named)
		fprintf(stderr, "%s with %s: %d '%s'\n", edit.path, edit.text, r, err.text);
	CHECK_EQ(r, code);
	CHECK(named);
}

/* Calls @visit for each member and element, and returns how many there are. */
static size_t walk(const struct og_json *root, const struct og_json *value, const char *path,
		   void (*visit)(const struct og_json *root, const struct og_json *value,
				 const char *path))
{
	struct og_json_member member = {};
	size_t count = 0;

	if (path[0] != '\0')
		visit(root, value, path);
	while (og_json_kind(value) == OG_JSON_OBJECT && og_json_next(value, &member)) {
		og_auto_free char *at =
			og_strdupf("%s%s%s", path, path[0] != '\0' ? "." : "", member.key);

		count += 1 + walk(root, member.value, at, visit);
	}
	for (size_t i = 0; og_json_kind(value) == OG_JSON_ARRAY && i < og_json_count(value); i++) {
		og_auto_free char *at = og_strdupf("%s[%zu]", path, i);

		count += 1 + walk(root, og_json_at(value, i), at, visit);
	}
	return count;
}

static void visit_all(void (*visit)(const struct og_json *root, const struct og_json *value,
				    const char *path))
{
	og_cleanup(og_json_freep) struct og_json *root = document();

	CHECK(walk(root, root, "", visit) > 250);
}

/* ---- the wrong kind ---- */

static void make_wrong(const struct og_json *root, const struct og_json *value, const char *path)
{
	static const struct {
		enum og_json_kind kind;
		const char *text;
	} kinds[] = {
		{ OG_JSON_BOOL, "true" },    { OG_JSON_INT, "1" },     { OG_JSON_DOUBLE, "1.5" },
		{ OG_JSON_STRING, "\"1\"" }, { OG_JSON_ARRAY, "[0]" }, { OG_JSON_OBJECT, "{}" },
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (kinds[i].kind != og_json_kind(value))
			check_refused(root, (struct edit){ REPLACE, path, kinds[i].text }, -EINVAL);
	}
}

TEST(a_member_of_the_wrong_kind_is_named)
{
	visit_all(make_wrong);
}

/* ---- missing ---- */

/* Everything else may be missing. */
static const char *const required[] = {
	"ociVersion",
	"root.path",
	"process.consoleSize.height",
	"process.consoleSize.width",
	"process.cwd",
	"process.args",
	"process.user.uid",
	"process.user.gid",
	"process.rlimits[0].type",
	"process.rlimits[0].soft",
	"process.rlimits[0].hard",
	"process.scheduler.policy",
	"process.ioPriority.class",
	"process.ioPriority.priority",
	"mounts[0].destination",
	"mounts[0].uidMappings[0].containerID",
	"mounts[0].uidMappings[0].hostID",
	"mounts[0].uidMappings[0].size",
	"mounts[0].gidMappings[0].containerID",
	"mounts[0].gidMappings[0].hostID",
	"mounts[0].gidMappings[0].size",
	"hooks.prestart[0].path",
	"hooks.createRuntime[0].path",
	"hooks.createContainer[0].path",
	"hooks.startContainer[0].path",
	"hooks.poststart[0].path",
	"hooks.poststop[0].path",
	"linux.namespaces[0].type",
	"linux.uidMappings[0].containerID",
	"linux.uidMappings[0].hostID",
	"linux.uidMappings[0].size",
	"linux.gidMappings[0].containerID",
	"linux.gidMappings[0].hostID",
	"linux.gidMappings[0].size",
	"linux.devices[0].type",
	"linux.devices[0].path",
	"linux.personality.domain",
	"linux.memoryPolicy.mode",
	"linux.resources.devices[0].allow",
	"linux.resources.pids.limit",
	"linux.resources.blockIO.weightDevice[0].major",
	"linux.resources.blockIO.weightDevice[0].minor",
	"linux.resources.blockIO.throttleReadBpsDevice[0].major",
	"linux.resources.blockIO.throttleReadBpsDevice[0].minor",
	"linux.resources.blockIO.throttleReadBpsDevice[0].rate",
	"linux.resources.blockIO.throttleWriteBpsDevice[0].major",
	"linux.resources.blockIO.throttleWriteBpsDevice[0].minor",
	"linux.resources.blockIO.throttleWriteBpsDevice[0].rate",
	"linux.resources.blockIO.throttleReadIOPSDevice[0].major",
	"linux.resources.blockIO.throttleReadIOPSDevice[0].minor",
	"linux.resources.blockIO.throttleReadIOPSDevice[0].rate",
	"linux.resources.blockIO.throttleWriteIOPSDevice[0].major",
	"linux.resources.blockIO.throttleWriteIOPSDevice[0].minor",
	"linux.resources.blockIO.throttleWriteIOPSDevice[0].rate",
	"linux.resources.hugepageLimits[0].pageSize",
	"linux.resources.hugepageLimits[0].limit",
	"linux.resources.network.priorities[0].name",
	"linux.resources.network.priorities[0].priority",
	"linux.seccomp.defaultAction",
	"linux.seccomp.syscalls[0].names",
	"linux.seccomp.syscalls[0].action",
	"linux.seccomp.syscalls[0].args[0].index",
	"linux.seccomp.syscalls[0].args[0].value",
	"linux.seccomp.syscalls[0].args[0].op",
};

/* What is of no use without the other one. */
static const char *const together[] = {
	"linux.seccomp.listenerPath",
	"mounts[0].uidMappings",
	"mounts[0].gidMappings",
};

static bool among(const char *const *list, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		if (og_streq(list[i], path))
			return true;
	}
	return false;
}

static void leave_out(const struct og_json *root, const struct og_json *value, const char *path)
{
	struct edit edit = { OMIT, path, "nothing" };
	og_auto_free char *text = edited(root, edit);
	struct og_err err;

	(void)value;
	if (og_ends_with(path, "]") || among(together, COUNT(together), path))
		return;
	if (among(required, COUNT(required), path)) {
		check_refused(root, edit, -EINVAL);
		edit = (struct edit){ REPLACE, path, "null" };
		check_refused(root, edit, -EINVAL);
		return;
	}
	if (parse(text, strlen(text), &err) < 0)
		fprintf(stderr, "without %s: %s\n", path, err.text);
	CHECK_EQ(err.code, 0);
}

TEST(a_member_that_is_required_is_missed_and_no_other)
{
	visit_all(leave_out);
}

/* ---- twice ---- */

static void repeat(const struct og_json *root, const struct og_json *value, const char *path)
{
	(void)value;
	if (!og_ends_with(path, "]"))
		check_refused(root, (struct edit){ TWICE, path, "itself" }, -EINVAL);
}

TEST(a_member_that_is_there_twice_is_named)
{
	visit_all(repeat);
}

/* ---- out of range ---- */

#define INT64_LOW   "-9223372036854775808"
#define INT64_HIGH  "9223372036854775807"
#define UINT64_HIGH "18446744073709551615"
#define ID_HIGH	    "4294967294"

struct range {
	const char *end; /* of the path; the first that fits counts */
	const char *low, *high;
};

static const struct range ranges[] = {
	{ "consoleSize.height", "0", "65535" },
	{ "consoleSize.width", "0", "65535" },
	{ "additionalGids[0]", "0", ID_HIGH },
	{ "user.umask", "0", "511" },
	{ "uid", "0", ID_HIGH },
	{ "gid", "0", ID_HIGH },
	{ ".soft", "0", UINT64_HIGH },
	{ ".hard", "0", UINT64_HIGH },
	{ "oomScoreAdj", "-1000", "1000" },
	{ "scheduler.nice", "-20", "19" },
	{ "scheduler.priority", "0", "99" },
	{ "scheduler.runtime", "0", UINT64_HIGH },
	{ "scheduler.deadline", "0", UINT64_HIGH },
	{ "scheduler.period", "0", UINT64_HIGH },
	{ "ioPriority.priority", "0", "7" },
	{ "containerID", "0", ID_HIGH },
	{ "hostID", "0", ID_HIGH },
	{ "].size", "0", "4294967295" },
	{ "timeout", "1", "86400" },
	{ "monotonic.secs", INT64_LOW, INT64_HIGH },
	{ "monotonic.nanosecs", "0", "999999999" },
	{ "resources.devices[0].major", "-1", "1048576" },
	{ "resources.devices[0].minor", "-1", "1048576" },
	{ "].major", "0", "1048576" },
	{ "].minor", "0", "1048576" },
	{ "fileMode", "0", "4294967295" },
	{ "memory.limit", "-1", INT64_HIGH },
	{ "memory.reservation", "-1", INT64_HIGH },
	{ "memory.swap", "-1", INT64_HIGH },
	{ "memory.kernel", "-1", INT64_HIGH },
	{ "memory.kernelTCP", "-1", INT64_HIGH },
	{ "memory.swappiness", "0", "100" },
	{ "cpu.quota", "-1", INT64_HIGH },
	{ "cpu.realtimeRuntime", INT64_LOW, INT64_HIGH },
	{ "cpu.idle", "0", "1" },
	{ "pids.limit", INT64_LOW, INT64_HIGH },
	{ "eight", "0", "1000" },
	{ "].rate", "0", UINT64_HIGH },
	{ "hugepageLimits[0].limit", "0", UINT64_HIGH },
	{ "classID", "0", "4294967295" },
	{ "priorities[0].priority", "0", "4294967295" },
	{ "hcaHandles", "0", "4294967295" },
	{ "hcaObjects", "0", "4294967295" },
	{ "rrnoRet", "0", "65535" },
	{ "args[0].index", "0", "5" },
	{ "args[0].value", "0", UINT64_HIGH },
	{ "args[0].valueTwo", "0", UINT64_HIGH },
	{ "cpu.shares", "0", UINT64_HIGH },
	{ "cpu.burst", "0", UINT64_HIGH },
	{ "cpu.period", "0", UINT64_HIGH },
	{ "cpu.realtimePeriod", "0", UINT64_HIGH },
};

/* @number and one more, away from zero, or the other way. */
static char *beside(const char *number, bool up)
{
	if (number[0] == '-')
		return up ? og_strdupf("%lld", strtoll(number, NULL, 10) + 1)
			  : og_strdupf("-%llu", strtoull(number + 1, NULL, 10) + 1);
	if (number[0] == '0' && !up)
		return strdup("-1");
	return up && og_streq(number, UINT64_HIGH)
		       ? strdup("18446744073709551616")
		       : og_strdupf("%llu", strtoull(number, NULL, 10) + (up ? 1 : -1ULL));
}

static void leave_range(const struct og_json *root, const struct og_json *value, const char *path)
{
	const struct range *range = NULL;

	for (size_t i = 0; range == NULL && i < COUNT(ranges); i++) {
		if (og_ends_with(path, ranges[i].end))
			range = &ranges[i];
	}
	if (og_json_kind(value) != OG_JSON_INT)
		return;
	if (range == NULL)
		fprintf(stderr, "%s: what is its range?\n", path);
	CHECK(range != NULL);
	for (int up = 0; up < 2; up++) {
		og_auto_free char *beyond = beside(up ? range->high : range->low, up);

		check_refused(root, (struct edit){ REPLACE, path, beyond }, -ERANGE);
	}
	check_refused(root, (struct edit){ REPLACE, path, "-99999999999999999999" }, -ERANGE);
	check_refused(root, (struct edit){ REPLACE, path, "99999999999999999999" }, -ERANGE);
}

TEST(a_number_out_of_its_range_is_named)
{
	visit_all(leave_range);
}

TEST(a_number_at_either_end_of_its_range_is_taken)
{
	static const struct edit edits[] = {
		{ REPLACE, "process.oomScoreAdj", "-1000" },
		{ REPLACE, "process.oomScoreAdj", "1000" },
		{ REPLACE, "process.rlimits[0].hard", UINT64_HIGH },
		{ REPLACE, "linux.resources.pids.limit", INT64_LOW },
		{ REPLACE, "process.user.uid", ID_HIGH },
		{ REPLACE, "linux.resources.cpu.shares", UINT64_HIGH },
	};
	og_cleanup(og_json_freep) struct og_json *root = document();

	for (size_t i = 0; i < COUNT(edits); i++) {
		og_auto_free char *text = edited(root, edits[i]);
		struct og_err err;

		CHECK_EQ(parse(text, strlen(text), &err), 0);
	}
}

/* ---- words ---- */

TEST(a_word_that_is_not_known_is_named)
{
	static const char *const paths[] = {
		"process.rlimits[0].type",
		"process.scheduler.policy",
		"process.scheduler.flags[0]",
		"process.ioPriority.class",
		"process.execCPUAffinity.initial",
		"process.execCPUAffinity.final",
		"linux.namespaces[0].type",
		"linux.devices[0].type",
		"linux.rootfsPropagation",
		"linux.personality.domain",
		"linux.memoryPolicy.mode",
		"linux.memoryPolicy.nodes",
		"linux.memoryPolicy.flags[0]",
		"linux.resources.devices[0].type",
		"linux.resources.devices[0].access",
		"linux.seccomp.defaultAction",
		"linux.seccomp.architectures[0]",
		"linux.seccomp.flags[0]",
		"linux.seccomp.syscalls[0].action",
		"linux.seccomp.syscalls[0].args[0].op",
		"process.cwd",
		"mounts[0].destination",
		"linux.namespaces[0].path",
		"linux.devices[0].path",
		"linux.maskedPaths[0]",
		"linux.readonlyPaths[0]",
		"hooks.prestart[0].path",
		"hooks.createRuntime[0].path",
		"hooks.createContainer[0].path",
		"hooks.startContainer[0].path",
		"hooks.poststart[0].path",
		"hooks.poststop[0].path",
	};
	og_cleanup(og_json_freep) struct og_json *root = document();

	for (size_t i = 0; i < COUNT(paths); i++)
		check_refused(root, (struct edit){ REPLACE, paths[i], "\"nonsense\"" }, -EINVAL);
}

TEST(what_contradicts_itself_is_named)
{
	static const struct {
		struct edit edit;
		const char *path; /* named by the error */
	} cases[] = {
		{ { REPLACE, "process.args", "[]" }, "process.args is empty" },
		{ { REPLACE, "process.rlimits[0].soft", "21" }, "process.rlimits[0].soft is" },
		{ { REPLACE, "process.rlimits",
		    "[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_AS\","
		    "\"soft\":1,\"hard\":1}]" },
		  "process.rlimits[1].type" },
		{ { REPLACE, "process.execCPUAffinity.final", "\"1-0\"" },
		  "process.execCPUAffinity.final" },
		{ { REPLACE, "linux.memoryPolicy.nodes", "\"0,\"" }, "linux.memoryPolicy.nodes" },
		{ { REPLACE, "linux.memoryPolicy.nodes", "\"1024\"" }, "linux.memoryPolicy.nodes" },
		{ { REPLACE, "linux.personality.flags", "[\"ADDR_NO_RANDOMIZE\"]" },
		  "linux.personality.flags[0]" },
		{ { REPLACE, "linux.seccomp.syscalls[0].names", "[]" },
		  "linux.seccomp.syscalls[0].names" },
		{ { OMIT, "linux.seccomp.listenerPath", "" }, "linux.seccomp.listenerMetadata" },
		{ { REPLACE, "linux.timeOffsets", "{\"realtime\":{\"secs\":1}}" },
		  "linux.timeOffsets.realtime" },
		{ { REPLACE, "linux.resources.memory.useHierarchy", "false" },
		  "linux.resources.memory.useHierarchy" },
		{ { REPLACE, "linux.namespaces", "[{\"type\":\"pid\"},{\"type\":\"pid\"}]" },
		  "linux.namespaces[1]" },
	};
	og_cleanup(og_json_freep) struct og_json *root = document();

	for (size_t i = 0; i < COUNT(cases); i++) {
		og_auto_free char *text = edited(root, cases[i].edit);
		struct og_err err;

		CHECK(parse(text, strlen(text), &err) < 0);
		if (!og_starts_with(err.text, cases[i].path))
			fprintf(stderr, "%s: %s\n", cases[i].edit.path, err.text);
		CHECK(og_starts_with(err.text, cases[i].path));
	}
}

/* ---- long ---- */

static char *long_text; /* LONG_BYTES, of which the parser may look at the first 8 MiB */

static void make_long(const struct og_json *root, const struct og_json *value, const char *path)
{
	og_auto_free char *text = edited(root, (struct edit){ REPLACE, path, "\"@" });
	size_t head = (size_t)(strchr(text, '@') - text);
	struct og_err err;

	(void)value;
	memcpy(long_text, text, head);
	CHECK_EQ(parse(long_text, LONG_BYTES, &err), -EFBIG);
	if (!og_starts_with(err.text, path))
		fprintf(stderr, "%s: %s\n", path, err.text);
	CHECK(og_starts_with(err.text, path));
	memset(long_text, 'x', head);
}

TEST(a_member_of_100_mb_is_named)
{
	long_text = malloc(LONG_BYTES);
	CHECK(long_text != NULL);
	memset(long_text, 'x', OG_OCI_CONFIG_MAX_BYTES + 1);
	visit_all(make_long);
	free(long_text);
}

TEST_MAIN(TEST_ENTRY(a_member_of_the_wrong_kind_is_named),
	  TEST_ENTRY(a_member_that_is_required_is_missed_and_no_other),
	  TEST_ENTRY(a_member_that_is_there_twice_is_named),
	  TEST_ENTRY(a_number_out_of_its_range_is_named),
	  TEST_ENTRY(a_number_at_either_end_of_its_range_is_taken),
	  TEST_ENTRY(a_word_that_is_not_known_is_named),
	  TEST_ENTRY(what_contradicts_itself_is_named), TEST_ENTRY(a_member_of_100_mb_is_named))
