/* SPDX-License-Identifier: Apache-2.0 */
#include "access/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "access/permissions.h"
#include "base/io.h"
#include "base/text.h"
#include "base/yaml.h"

static const char *const outcomes[] = { "allow", "isolate", "refuse" };
static const char *const severities[] = { "critical", "high", "medium", "low" };

const char *og_admission_outcome_name(enum og_admission_outcome outcome)
{
	return outcomes[outcome];
}

const char *og_admission_severity_name(enum og_admission_severity severity)
{
	return severities[severity];
}

/* ---- small parts ---- */

static int check_members(const struct og_json *object, const char *const *names, struct og_err *err)
{
	const char *stray = og_json_stray(object, names);
	struct og_json_member member = {};

	if (og_json_kind(object) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EINVAL, "a mapping is wanted");
	if (stray != NULL)
		return og_fail_plain(err, -EINVAL, "'%.60s' is unknown", stray);
	while (og_json_next(object, &member)) {
		if (member.value == NULL || og_json_kind(member.value) == OG_JSON_NULL)
			return og_fail_plain(err, -EINVAL, "'%.60s' is empty", member.key);
	}
	return 0;
}

/* A list of texts into *@ret_list, which has no items where @name is missing. */
static int read_list(const struct og_json *object, const char *name, const char ***ret_list,
		     struct og_err *err)
{
	const struct og_json *list = og_json_get(object, name);
	size_t count = og_json_count(list);
	const char **items;

	if (list != NULL && (og_json_kind(list) != OG_JSON_ARRAY || count == 0))
		return og_fail_plain(err, -EINVAL, "%s: a list of texts is wanted", name);
	if (count > OG_ADMISSION_LIST_MAX)
		return og_fail_plain(err, -E2BIG, "%s: over %d", name, OG_ADMISSION_LIST_MAX);
	items = calloc(count + 1, sizeof(items[0]));
	if (items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_list = items;
	for (size_t i = 0; i < count; i++) {
		items[i] = og_json_string(og_json_at(list, i), "");
		if (items[i][0] == '\0')
			return og_fail_plain(err, -EINVAL, "%s: a text is wanted", name);
	}
	return 0;
}

/* One of @words; *@ret_index is untouched where @name is missing. Returns 1 when it is there. */
static int read_word(const struct og_json *object, const char *name, const char *const *words,
		     size_t count, size_t *ret_index, struct og_err *err)
{
	const struct og_json *value = og_json_get(object, name);
	const char *text = og_json_string(value, "");

	if (value == NULL)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (og_streq(words[i], text)) {
			*ret_index = i;
			return 1;
		}
	}
	return og_fail_plain(err, -EINVAL, "%s: '%.60s' is unknown", name, text);
}

static int read_outcome(const struct og_json *object, const char *name,
			enum og_admission_outcome *ret_outcome, struct og_err *err)
{
	size_t index = 0;
	int r = read_word(object, name, outcomes, 3, &index, err);

	if (r > 0)
		*ret_outcome = (enum og_admission_outcome)index;
	return r;
}

/* "90s", "30m", "12h", "7d" */
static int read_age(const struct og_json *object, const char *name, int64_t *ret_s,
		    struct og_err *err)
{
	const struct og_json *value = og_json_get(object, name);
	const char *text = og_json_string(value, "");
	size_t digits = strspn(text, "0123456789");
	char number[8] = "";
	uint64_t count = 0;
	int64_t unit;

	*ret_s = OG_ADMISSION_ANY;
	if (value == NULL)
		return 0;
	unit = text[digits] == 's'   ? 1
	       : text[digits] == 'm' ? 60
	       : text[digits] == 'h' ? 3600
	       : text[digits] == 'd' ? 86400
				     : 0;
	if (digits < sizeof(number))
		memcpy(number, text, digits);
	if (unit == 0 || text[digits + 1] != '\0' || og_parse_u64(number, 1, 9999999, &count) < 0)
		return og_fail_plain(err, -EINVAL, "%s: a time such as 12h or 7d is wanted", name);
	*ret_s = (int64_t)count * unit;
	return 0;
}

/* ---- signers ---- */

static int read_identity(const struct og_json *value, struct og_signed_identity *identity,
			 struct og_err *err)
{
	const char *text = og_json_string(value, "repository");

	if (og_streq(text, "repository"))
		identity->kind = OG_IDENTITY_REPOSITORY;
	else if (og_streq(text, "exact"))
		identity->kind = OG_IDENTITY_REPO_DIGEST_OR_EXACT;
	else
		return og_fail_plain(err, -EINVAL,
				     "identity: there are repository and exact, not '%.60s'", text);
	return 0;
}

static int read_signer(struct og_admission *gate, const char *name, const struct og_json *value,
		       struct og_err *err)
{
	static const char *const members[] = { "keys", "identity", NULL };
	struct og_admission_signer *signer = &gate->signers[gate->signer_count++];
	int r = check_members(value, members, err);

	signer->name = name;
	if (r == 0)
		r = read_list(value, "keys", &signer->keys, err);
	if (r == 0 && signer->keys[0] == NULL)
		r = og_fail_plain(err, -EINVAL, "keys are missing");
	if (r == 0)
		r = read_identity(og_json_get(value, "identity"), &signer->identity, err);
	return r < 0 ? og_fail_in(err, r, "signer '%.60s'", name) : 0;
}

static int read_signers(struct og_admission *gate, const struct og_json *object, struct og_err *err)
{
	struct og_json_member member = {};
	int r = 0;

	if (object == NULL)
		return 0;
	if (og_json_kind(object) != OG_JSON_OBJECT ||
	    og_json_count(object) > OG_ADMISSION_SIGNERS_MAX)
		return og_fail_plain(err, -EINVAL, "signers: a mapping of at most %d is wanted",
				     OG_ADMISSION_SIGNERS_MAX);
	gate->signers = calloc(og_json_count(object) + 1, sizeof(gate->signers[0]));
	if (gate->signers == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (r == 0 && og_json_next(object, &member))
		r = read_signer(gate, member.key, member.value, err);
	return r;
}

const struct og_admission_signer *og_admission_signer(const struct og_admission *gate,
						      const char *name)
{
	for (size_t i = 0; i < gate->signer_count; i++) {
		if (og_streq(gate->signers[i].name, name))
			return &gate->signers[i];
	}
	return NULL;
}

static int check_signers(const struct og_admission *gate, const char *const *names,
			 struct og_err *err)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		if (og_admission_signer(gate, names[i]) == NULL)
			return og_fail_plain(err, -EINVAL, "there is no signer '%.60s'", names[i]);
	}
	return 0;
}

/* ---- rules ---- */

static int read_scan(const struct og_admission *gate, const struct og_json *value,
		     struct og_admission_scan *scan, struct og_err *err)
{
	static const char *const members[] = { "by",	       "max-age",  "max-database-age",
					       "fixable-only", "critical", "high",
					       "medium",       "low",	   NULL };
	int r = check_members(value, members, err);

	if (r == 0)
		r = read_list(value, "by", &scan->by, err);
	if (r == 0 && scan->by[0] == NULL)
		r = og_fail_plain(err, -EINVAL, "by is missing: whose scans count");
	if (r == 0)
		r = check_signers(gate, scan->by, err);
	if (r == 0)
		r = read_age(value, "max-age", &scan->max_age_s, err);
	if (r == 0)
		r = read_age(value, "max-database-age", &scan->max_database_age_s, err);
	if (r == 0)
		r = og_json_opt_bool(value, "fixable-only", &scan->fixable_only, err);
	for (size_t i = 0; r == 0 && i < OG_ADMISSION_SEVERITIES; i++) {
		scan->most[i] = OG_ADMISSION_ANY;
		r = og_json_opt_int(value, severities[i], 0, INT32_MAX, &scan->most[i], err);
	}
	return r < 0 ? og_fail_in(err, r, "scan") : 0;
}

static int read_moments(const struct og_json *value, unsigned int *ret_at, struct og_err *err)
{
	static const char *const words[] = { "push", "pull", "create" };
	const struct og_json *list = og_json_get(value, "at");

	/* Of what is pushed nobody can have said anything yet, unless he knew its digest. */
	*ret_at = OG_ADMISSION_PULL | OG_ADMISSION_CREATE;
	if (list == NULL)
		return 0;
	*ret_at = 0;
	for (size_t i = 0; i < og_json_count(list); i++) {
		const char *word = og_json_string(og_json_at(list, i), "");
		size_t j = 0;

		while (j < 3 && !og_streq(words[j], word))
			j++;
		if (j == 3)
			return og_fail_plain(err, -EINVAL, "at: '%.60s' is unknown", word);
		*ret_at |= 1U << j;
	}
	if (*ret_at == 0)
		return og_fail_plain(err, -EINVAL, "at: a list of push, pull, create is wanted");
	return 0;
}

static int read_patterns(const struct og_json *value, const char *name, const char ***ret_list,
			 struct og_err *err)
{
	int r = read_list(value, name, ret_list, err);

	for (size_t i = 0; r == 0 && (*ret_list)[i] != NULL; i++) {
		if (strlen((*ret_list)[i]) > OG_PERMISSIONS_PATTERN_MAX)
			r = og_fail_plain(err, -E2BIG, "%s: a pattern is over %u chars", name,
					  OG_PERMISSIONS_PATTERN_MAX);
	}
	return r;
}

/* A rule has either demands, and what else happens, or an outcome for all. */
static int read_consequence(const struct og_json *value, struct og_admission_rule *rule,
			    struct og_err *err)
{
	bool demands = rule->signed_by[0] != NULL || rule->has_scan;
	int r;

	rule->outcome = OG_ADMISSION_REFUSE;
	if (demands != (og_json_get(value, "outcome") == NULL) ||
	    (!demands && og_json_get(value, "otherwise") != NULL))
		return og_fail_plain(err, -EINVAL,
				     "either signed-by or scan, with otherwise, or outcome is "
				     "wanted");
	r = read_outcome(value, demands ? "otherwise" : "outcome", &rule->outcome, err);
	if (r > 0 && demands && rule->outcome == OG_ADMISSION_ALLOW)
		return og_fail_plain(err, -EINVAL, "otherwise: allow would make it no demand");
	return r < 0 ? r : 0;
}

static int read_rule(struct og_admission *gate, const struct og_json *value, struct og_err *err)
{
	static const char *const members[] = { "name", "images",    "except",  "at", "signed-by",
					       "scan", "otherwise", "outcome", NULL };
	struct og_admission_rule *rule = &gate->rules[gate->rule_count++];
	const struct og_json *scan = og_json_get(value, "scan");
	int r = check_members(value, members, err);

	rule->name = og_json_string(og_json_get(value, "name"), "without a name");
	if (r == 0)
		r = read_patterns(value, "images", &rule->images, err);
	if (r == 0 && rule->images[0] == NULL)
		r = og_fail_plain(err, -EINVAL, "images are missing");
	if (r == 0)
		r = read_patterns(value, "except", &rule->except, err);
	if (r == 0)
		r = read_moments(value, &rule->at, err);
	if (r == 0)
		r = read_list(value, "signed-by", &rule->signed_by, err);
	if (r == 0)
		r = check_signers(gate, rule->signed_by, err);
	rule->has_scan = scan != NULL;
	if (r == 0 && rule->has_scan)
		r = read_scan(gate, scan, &rule->scan, err);
	if (r == 0)
		r = read_consequence(value, rule, err);
	return r < 0 ? og_fail_in(err, r, "rule %zu", gate->rule_count) : 0;
}

static int read_gate(struct og_admission *gate, struct og_err *err)
{
	static const char *const members[] = { "default", "signers", "rules", NULL };
	const struct og_json *rules = og_json_get(gate->root, "rules");
	size_t count = og_json_count(rules);
	int r = check_members(gate->root, members, err);

	gate->otherwise = OG_ADMISSION_REFUSE;
	if (r == 0)
		r = read_outcome(gate->root, "default", &gate->otherwise, err);
	if (r >= 0)
		r = read_signers(gate, og_json_get(gate->root, "signers"), err);
	if (r < 0)
		return r;
	if (rules != NULL && og_json_kind(rules) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EINVAL, "rules: a list is wanted");
	if (count > OG_ADMISSION_RULES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d rules", OG_ADMISSION_RULES_MAX);
	gate->rules = calloc(count + 1, sizeof(gate->rules[0]));
	if (gate->rules == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = read_rule(gate, og_json_at(rules, i), err);
	return r;
}

static int read_text(const char *buf, size_t len, bool json, struct og_json **ret_root,
		     struct og_err *err)
{
	og_cleanup(og_yaml_freep) struct og_yaml *yaml = NULL;
	int r;

	if (json)
		return og_json_parse(buf, len, ret_root, err);
	r = og_yaml_parse(buf, len, &yaml, err);
	if (r == 0)
		*ret_root = og_json_copy(og_yaml_root(yaml));
	return r;
}

int og_admission_parse(const char *buf, size_t len, bool json, struct og_admission **ret_gate,
		       struct og_err *err)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	int r;

	if (len > OG_ADMISSION_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "policy: over %u bytes", OG_ADMISSION_BYTES_MAX);
	gate = calloc(1, sizeof(*gate));
	if (gate == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = read_text(buf, len, json, &gate->root, err);
	if (r == 0)
		r = read_gate(gate, err);
	if (r < 0)
		return og_fail_in(err, r, "policy");
	*ret_gate = og_take_ptr(gate);
	return 0;
}

int og_admission_open(const char *path, struct og_admission **ret_gate, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, OG_ADMISSION_BYTES_MAX, &text, &len, err);

	if (r < 0)
		return r; /* it names the file */
	r = og_admission_parse(text, len, og_ends_with(path, ".json"), ret_gate, err);
	return r < 0 ? og_fail_in(err, r, "'%s'", path) : 0;
}

struct og_admission *og_admission_free(struct og_admission *gate)
{
	if (gate == NULL)
		return NULL;
	for (size_t i = 0; i < gate->signer_count; i++)
		free(gate->signers[i].keys);
	for (size_t i = 0; i < gate->rule_count; i++) {
		free(gate->rules[i].images);
		free(gate->rules[i].except);
		free(gate->rules[i].signed_by);
		free(gate->rules[i].scan.by);
	}
	free(gate->signers);
	free(gate->rules);
	(void)og_json_free(gate->root);
	free(gate);
	return NULL;
}

static bool any_matches(const char *const *patterns, const char *name)
{
	for (size_t i = 0; patterns[i] != NULL; i++) {
		if (og_repository_matches(patterns[i], name))
			return true;
	}
	return false;
}

bool og_admission_applies(const struct og_admission_rule *rule, const char *name,
			  enum og_admission_moment moment)
{
	return (rule->at & (unsigned int)moment) != 0 && any_matches(rule->images, name) &&
	       !any_matches(rule->except, name);
}
