/* SPDX-License-Identifier: Apache-2.0 */
#include "format/vex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/grow.h"
#include "base/text.h"
#include "format/version_parts.h"
#include "format/vulnerability.h"

static const char *const names[] = { "not_affected", "fixed", "affected", "under_investigation",
				     "ignored" };

const char *og_vex_status_name(enum og_vex_status status)
{
	return names[status];
}

void og_statements_done(struct og_statements *statements)
{
	for (size_t i = 0; i < statements->count; i++) {
		free(statements->list[i].ids);
		free(statements->list[i].product);
		free(statements->list[i].component);
		free(statements->list[i].reason);
		free(statements->list[i].until);
	}
	free(statements->list);
	*statements = (struct og_statements){};
}

struct said {
	enum og_vex_status status;
	const char *ids, *product, *component, *reason, *until;
};

static int add(struct og_statements *statements, const struct said *said, struct og_err *err)
{
	struct og_statement *added;

	if (statements->count == OG_VEX_STATEMENTS_MAX)
		return og_fail(err, -E2BIG, "more than %u statements", OG_VEX_STATEMENTS_MAX);
	if (og_grow(statements->list, statements->count) < 0)
		return og_fail(err, -ENOMEM, "statements");
	added = &statements->list[statements->count++];
	*added = (struct og_statement){
		.status = said->status,
		.ids = og_strdupf("%s", said->ids),
		.product = og_strdupf("%s", said->product),
		.component = og_strdupf("%s", said->component),
		.reason = og_strdupf("%.*s", (int)OG_VEX_TEXT_MAX, said->reason),
		.until = og_strdupf("%s", said->until),
	};
	if (added->ids == NULL || added->product == NULL || added->component == NULL ||
	    added->reason == NULL || added->until == NULL)
		return og_fail(err, -ENOMEM, "statements");
	return 0;
}

static bool is_date(const char *text)
{
	static const char pattern[] = "0000-00-00";

	for (size_t i = 0; i < sizeof(pattern); i++)
		if (pattern[i] == '0' ? !og_is_digit(text[i]) : text[i] != pattern[i])
			return false;
	return true;
}

static int add_id(struct og_text *ids, const char *id, struct og_err *err)
{
	if (!og_vuln_id_is_valid(id))
		return og_fail(err, -EINVAL, "'%.60s' is no id of a vulnerability", id);
	og_text_addf(ids, "%s%s", ids->len > 0 ? " " : "", id);
	return 0;
}

static const char *last_part(const char *link)
{
	const char *slash = strrchr(link, '/');

	return slash != NULL ? slash + 1 : link;
}

/* 0.0.1 has the id itself, later versions {"name", "aliases"}; some leave the name to the end of the link in "@id". */
static int openvex_ids(const struct og_json *vulnerability, struct og_text *ids, struct og_err *err)
{
	const char *name = og_json_string(vulnerability, NULL);
	const struct og_json *aliases = og_json_get(vulnerability, "aliases");
	int r;

	if (name == NULL)
		name = og_json_string(og_json_get(vulnerability, "name"), "");
	if (name[0] == '\0')
		name = last_part(og_json_string(og_json_get(vulnerability, "@id"), ""));
	r = add_id(ids, name, err);
	for (size_t i = 0; r == 0 && i < og_json_count(aliases); i++)
		r = add_id(ids, og_json_string(og_json_at(aliases, i), ""), err);
	return r;
}

static const char *openvex_name(const struct og_json *product)
{
	const char *name = og_json_string(product, NULL);

	if (name == NULL)
		name = og_json_string(og_json_get(og_json_get(product, "identifiers"), "purl"),
				      NULL);
	return name != NULL ? name : og_json_string(og_json_get(product, "@id"), "");
}

static int openvex_product(const struct og_json *product, struct said *said,
			   struct og_statements *statements, struct og_err *err)
{
	const struct og_json *parts = og_json_get(product, "subcomponents");
	int r = 0;

	said->product = openvex_name(product);
	said->component = "";
	if (said->product[0] == '\0')
		return og_fail(err, -EINVAL, "a product without a name");
	if (og_json_count(parts) == 0)
		return add(statements, said, err);
	for (size_t i = 0; r == 0 && i < og_json_count(parts); i++) {
		said->component = openvex_name(og_json_at(parts, i));
		r = said->component[0] != '\0'
			    ? add(statements, said, err)
			    : og_fail(err, -EINVAL, "a component without a name");
	}
	return r;
}

static int openvex_statement(const struct og_json *statement, struct og_statements *statements,
			     struct og_err *err)
{
	const struct og_json *products = og_json_get(statement, "products");
	const char *status = og_json_string(og_json_get(statement, "status"), "");
	struct said said = { .until = "", .reason = "" };
	og_auto_text ids = {};
	size_t i = 0;
	int r = openvex_ids(og_json_get(statement, "vulnerability"), &ids, err);

	if (r < 0)
		return r;
	while (i < OG_VEX_IGNORED && !og_streq(names[i], status))
		i++;
	if (i == OG_VEX_IGNORED)
		return og_fail(err, -EINVAL, "the status '%.40s'", status);
	if (og_json_count(products) == 0)
		return og_fail(err, -EINVAL, "a statement about no product");
	said.status = (enum og_vex_status)i;
	said.ids = ids.buf;
	said.reason = og_json_string(og_json_get(statement, "impact_statement"), NULL);
	if (said.reason == NULL)
		said.reason = og_json_string(og_json_get(statement, "justification"), "");
	for (i = 0; r == 0 && i < og_json_count(products); i++)
		r = openvex_product(og_json_at(products, i), &said, statements, err);
	return r;
}

/* The purl of what a CycloneDX document calls @ref. */
static const char *cyclonedx_ref(const struct og_json *root, const char *ref)
{
	const struct og_json *list = og_json_get(root, "components");
	const char *local = og_starts_with(ref, "urn:cdx:") ? strchr(ref, '#') : NULL;

	if (local != NULL)
		ref = local + 1;
	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *component = og_json_at(list, i);

		if (og_streq(og_json_string(og_json_get(component, "bom-ref"), ""), ref))
			return og_json_string(og_json_get(component, "purl"), ref);
	}
	return ref;
}

static int cyclonedx_statement(const struct og_json *root, const struct og_json *vulnerability,
			       struct og_statements *statements, struct og_err *err)
{
	static const struct {
		const char *state;
		enum og_vex_status status;
	} states[] = {
		{ "not_affected", OG_VEX_NOT_AFFECTED },
		{ "false_positive", OG_VEX_NOT_AFFECTED },
		{ "resolved", OG_VEX_FIXED },
		{ "resolved_with_pedigree", OG_VEX_FIXED },
		{ "exploitable", OG_VEX_AFFECTED },
		{ "in_triage", OG_VEX_UNDER_INVESTIGATION },
	};
	const struct og_json *analysis = og_json_get(vulnerability, "analysis"),
			     *affects = og_json_get(vulnerability, "affects");
	const char *state = og_json_string(og_json_get(analysis, "state"), NULL);
	struct said said = { .component = "", .until = "" };
	og_auto_text ids = {};
	int r = add_id(&ids, og_json_string(og_json_get(vulnerability, "id"), ""), err);
	size_t i = 0;

	/* A bill of materials that only lists vulnerabilities says nothing. */
	if (r < 0 || state == NULL)
		return r;
	while (i < sizeof(states) / sizeof(states[0]) && !og_streq(states[i].state, state))
		i++;
	if (i == sizeof(states) / sizeof(states[0]))
		return og_fail(err, -EINVAL, "the state '%.40s'", state);
	said.status = states[i].status;
	said.ids = ids.buf;
	said.reason = og_json_string(og_json_get(analysis, "detail"), NULL);
	if (said.reason == NULL)
		said.reason = og_json_string(og_json_get(analysis, "justification"), "");
	for (i = 0; r == 0 && i < og_json_count(affects); i++) {
		const char *ref = og_json_string(og_json_get(og_json_at(affects, i), "ref"), "");

		said.product = cyclonedx_ref(root, ref);
		r = ref[0] != '\0' ? add(statements, &said, err)
				   : og_fail(err, -EINVAL, "an empty ref");
	}
	return r;
}

/* When it was said; what does not tell has its document's moment. */
struct moment {
	struct timespec at;
	size_t index;
};

static int compare_moments(const void *left, const void *right)
{
	const struct moment *a = left, *b = right;

	if (a->at.tv_sec != b->at.tv_sec)
		return a->at.tv_sec < b->at.tv_sec ? -1 : 1;
	if (a->at.tv_nsec != b->at.tv_nsec)
		return a->at.tv_nsec < b->at.tv_nsec ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

/* A younger statement takes the place of an older one, wherever it stands. */
static int openvex_statements(const struct og_json *root, const struct og_json *list,
			      struct og_statements *statements, struct og_err *err)
{
	size_t count = og_json_count(list);
	og_auto_free struct moment *moments = calloc(count + 1, sizeof(moments[0]));
	struct timespec document = {};
	int r = 0;

	if (moments == NULL)
		return og_fail(err, -ENOMEM, "statements");
	(void)og_clock_parse(og_json_string(og_json_get(root, "timestamp"), ""), &document);
	for (size_t i = 0; i < count; i++) {
		const struct og_json *said = og_json_get(og_json_at(list, i), "timestamp");

		moments[i] = (struct moment){ document, i };
		(void)og_clock_parse(og_json_string(said, ""), &moments[i].at);
	}
	qsort(moments, count, sizeof(moments[0]), compare_moments);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = openvex_statement(og_json_at(list, moments[i].index), statements, err);
		if (r < 0)
			r = og_fail_in(err, r, "statement %zu", moments[i].index + 1);
	}
	return r;
}

int og_vex_read(const struct og_json *root, struct og_statements *statements, struct og_err *err)
{
	const struct og_json *list = og_json_get(root, "statements");
	bool cyclonedx = og_streq(og_json_string(og_json_get(root, "bomFormat"), ""), "CycloneDX");
	int r = 0;

	if (!cyclonedx &&
	    (og_json_kind(list) != OG_JSON_ARRAY ||
	     strstr(og_json_string(og_json_get(root, "@context"), ""), "openvex.dev/ns") == NULL))
		return og_fail(err, -EINVAL, "neither OpenVEX nor CycloneDX");
	if (!cyclonedx)
		return openvex_statements(root, list, statements, err);
	list = og_json_get(root, "vulnerabilities");
	for (size_t i = 0; r == 0 && i < og_json_count(list); i++) {
		r = cyclonedx_statement(root, og_json_at(list, i), statements, err);
		if (r < 0)
			r = og_fail_in(err, r, "statement %zu", i + 1);
	}
	return r;
}

int og_ignore_read_tree(const struct og_json *root, struct og_statements *statements,
			struct og_err *err)
{
	const struct og_json *list = og_json_get(root, "ignore");
	int r = 0;

	if (og_json_kind(list) != OG_JSON_ARRAY)
		return og_fail(err, -EINVAL, "no list 'ignore'");
	for (size_t i = 0; r == 0 && i < og_json_count(list); i++) {
		const struct og_json *entry = og_json_at(list, i);
		struct said said = {
			.status = OG_VEX_IGNORED,
			.ids = og_json_string(og_json_get(entry, "id"), ""),
			.product = "",
			.component = "",
			.reason = "",
			.until = "",
		};

		r = og_json_opt_string(entry, "package", &said.component, err);
		if (r == 0)
			r = og_json_opt_string(entry, "until", &said.until, err);
		if (r == 0)
			r = og_json_opt_string(entry, "reason", &said.reason, err);
		if (r == 0 && !og_vuln_id_is_valid(said.ids))
			r = og_fail(err, -EINVAL, "'%.60s' is no id", said.ids);
		if (r == 0 && said.until[0] != '\0' && !is_date(said.until))
			r = og_fail(err, -EINVAL, "until '%.40s' is not YYYY-MM-DD", said.until);
		r = r < 0 ? og_fail_in(err, r, "entry %zu", i + 1) : add(statements, &said, err);
	}
	return r;
}

/* One line, writable. */
static int read_line(char *line, struct og_statements *statements, struct og_err *err)
{
	struct said said = {
		.status = OG_VEX_IGNORED, .product = "", .component = "", .reason = "", .until = ""
	};
	char *hash = strchr(line, '#');

	if (hash != NULL)
		*hash = '\0';
	line += strspn(line, " \t");
	if (*line == '\0')
		return 0;
	said.ids = strsep(&line, " \t");
	if (!og_vuln_id_is_valid(said.ids))
		return og_fail(err, -EINVAL, "'%.60s' is no id", said.ids);
	while (line != NULL && *(line += strspn(line, " \t")) != '\0') {
		bool package = og_starts_with(line, "package="),
		     until = og_starts_with(line, "until="), expires = og_starts_with(line, "exp:");
		char *word;

		if (!package && !until && !expires) {
			said.reason = line;
			break;
		}
		word = strsep(&line, " \t");
		if (package)
			said.component = word + strlen("package=");
		else
			said.until = word + strlen(until ? "until=" : "exp:");
	}
	if (said.until[0] != '\0' && !is_date(said.until))
		return og_fail(err, -EINVAL, "until '%.40s' is not YYYY-MM-DD", said.until);
	return add(statements, &said, err);
}

int og_ignore_read_lines(const char *text, size_t len, struct og_statements *statements,
			 struct og_err *err)
{
	og_auto_free char *copy = og_strdupf("%.*s", (int)len, text);
	char *rest = copy, *line;
	int r = 0;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "an ignore file");
	for (size_t number = 1; r == 0 && (line = strsep(&rest, "\n")) != NULL; number++) {
		line[strcspn(line, "\r")] = '\0';
		r = read_line(line, statements, err);
		if (r < 0)
			r = og_fail_in(err, r, "line %zu", number);
	}
	return r;
}
