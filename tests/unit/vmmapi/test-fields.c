/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of every body that the tables know, each wrong in every way: the cases are made from
 * the tables, so that a new field is covered when it is there.
 */
#include "api.h"

#define PREFIX "An error occurred when deserializing the json body of a request"

/* One route under test, with a body that is right but for one place. */
struct trial {
	struct fake *fake;
	const struct og_route *route;
	char path[128];
	struct og_json *root;
	unsigned cases;
};

static struct og_json *sample_body(const struct og_body *body);

static const char *sample_text(const struct og_field *field)
{
	static const char *const texts[] = { "x",	    "0x1",   "06:00:00:00:00:01",
					     "169.254.1.1", "0b1x0", "!1" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i]) >= field->min &&
		    (field->check == NULL || field->check(texts[i]) == NULL))
			return texts[i];
	fprintf(stderr, "no good text for %s is known here\n", field->name);
	exit(EXIT_FAILURE);
}

static struct og_json *sample_one(const struct og_field *field)
{
	struct og_json *map;

	switch ((enum og_field_kind)field->kind) {
	case OG_FIELD_BOOL:
		return og_json_new_bool(true);
	case OG_FIELD_UINT:
		return og_json_new_uint(field->min);
	case OG_FIELD_TEXT:
		return og_json_new_string(sample_text(field));
	case OG_FIELD_WORD:
		return og_json_new_string(field->words[0]);
	case OG_FIELD_BODY:
		return sample_body(field->body);
	case OG_FIELD_MAP:
		break;
	}
	map = og_json_new_object();
	og_json_set_string(map, "k", "v");
	return map;
}

static struct og_json *sample(const struct og_field *field)
{
	struct og_json *list;

	if (field->list_max == 0 || field->kind == OG_FIELD_MAP)
		return sample_one(field);
	list = og_json_new_array();
	og_json_push(list, sample_one(field));
	return list;
}

static struct og_json *sample_body(const struct og_body *body)
{
	struct og_json *json = og_json_new_object();

	for (size_t i = 0; i < body->n_fields; i++)
		og_json_set(json, body->fields[i].name, sample(&body->fields[i]));
	return json;
}

static const char *method_of(const struct og_route *route)
{
	static const char *const names[] = { "GET", "PUT", "PATCH" };

	return names[route->method];
}

static void must_fail_with(struct trial *trial, const char *body, const char *says)
{
	og_auto_free char *answer = NULL;

	refused(trial->fake, method_of(trial->route), trial->path, body, says);
	CHECK_EQ(ask(trial->fake, method_of(trial->route), trial->path, body, &answer), 400);
	CHECK(strstr(answer, PREFIX) != NULL);
	trial->cases++;
}

static void must_fail(struct trial *trial, const char *says)
{
	og_auto_free char *body = og_json_write(trial->root);

	must_fail_with(trial, body, says);
}

static struct og_json *of_kind(enum og_json_kind kind)
{
	switch (kind) {
	case OG_JSON_BOOL:
		return og_json_new_bool(true);
	case OG_JSON_INT:
		return og_json_new_int(1);
	case OG_JSON_DOUBLE:
		return og_json_new_double(1.5);
	case OG_JSON_STRING:
		return og_json_new_string("x");
	case OG_JSON_ARRAY:
		return og_json_new_array();
	case OG_JSON_OBJECT:
		return og_json_new_object();
	case OG_JSON_NULL:
		break;
	}
	return NULL;
}

static enum og_json_kind right_kind(const struct og_field *field)
{
	static const enum og_json_kind kinds[] = {
		[OG_FIELD_BOOL] = OG_JSON_BOOL,	  [OG_FIELD_UINT] = OG_JSON_INT,
		[OG_FIELD_TEXT] = OG_JSON_STRING, [OG_FIELD_WORD] = OG_JSON_STRING,
		[OG_FIELD_BODY] = OG_JSON_OBJECT, [OG_FIELD_MAP] = OG_JSON_OBJECT,
	};

	return field->list_max > 0 && field->kind != OG_FIELD_MAP ? OG_JSON_ARRAY
								  : kinds[field->kind];
}

/* Sets @field of @at to @value, tries, and sets it right again. */
static void try_value(struct trial *trial, struct og_json *at, const struct og_field *field,
		      struct og_json *value, const char *says)
{
	struct og_json *whole = value;

	if (field->list_max > 0 && field->kind != OG_FIELD_MAP &&
	    og_json_kind(value) != OG_JSON_ARRAY) {
		whole = og_json_new_array();
		og_json_push(whole, value);
	}
	og_json_set(at, field->name, whole);
	must_fail(trial, says);
	og_json_set(at, field->name, sample(field));
}

static void try_kinds(struct trial *trial, struct og_json *at, const struct og_field *field,
		      const char *path)
{
	char says[200];

	(void)snprintf(says, sizeof(says), "at `%s`", path);
	for (int kind = OG_JSON_BOOL; kind <= OG_JSON_OBJECT; kind++) {
		if ((enum og_json_kind)kind == right_kind(field))
			continue;
		og_json_set(at, field->name, of_kind((enum og_json_kind)kind));
		must_fail(trial, says);
		og_json_set(at, field->name, sample(field));
	}
}

static void try_range(struct trial *trial, struct og_json *at, const struct og_field *field,
		      const char *says)
{
	if (field->min > 0)
		try_value(trial, at, field, og_json_new_uint(field->min - 1), says);
	if (field->max < UINT64_MAX)
		try_value(trial, at, field, og_json_new_uint(field->max + 1), says);
	try_value(trial, at, field, og_json_new_int(-1), says);
	try_value(trial, at, field, og_json_new_int(INT64_MIN), says);
}

static void try_texts(struct trial *trial, struct og_json *at, const struct og_field *field,
		      const char *says)
{
	og_auto_free char *long_text = malloc(field->size + 1);

	CHECK(long_text != NULL);
	memset(long_text, '1', field->size);
	long_text[field->size] = '\0';
	try_value(trial, at, field, og_json_new_string(long_text), says);
	if (field->min > 0)
		try_value(trial, at, field, og_json_new_string(""), says);
	if (field->check != NULL) {
		try_value(trial, at, field, og_json_new_string("../"), says);
		try_value(trial, at, field, og_json_new_string("a b"), says);
		try_value(trial, at, field, og_json_new_string("\xc3\xa9"), says);
	}
}

static void try_too_many(struct trial *trial, struct og_json *at, const struct og_field *field,
			 const char *path)
{
	struct og_json *list = og_json_new_array();
	char says[200];

	for (unsigned i = 0; i <= field->list_max; i++)
		og_json_push(list, sample_one(field));
	(void)snprintf(says, sizeof(says), "at `%s`", path);
	try_value(trial, at, field, list, says);
}

static void try_body(struct trial *trial, const struct og_body *body, struct og_json *at,
		     const char *path);

static void try_inner(struct trial *trial, struct og_json *at, const struct og_field *field,
		      const char *path)
{
	bool list = field->list_max > 0 && field->kind != OG_FIELD_MAP;
	char inner[200], says[210];

	(void)snprintf(inner, sizeof(inner), "%s%s", path, list ? "[0]" : "");
	(void)snprintf(says, sizeof(says), "at `%s`", inner);
	if (list)
		try_too_many(trial, at, field, path);
	if (field->kind == OG_FIELD_UINT)
		try_range(trial, at, field, says);
	else if (field->kind == OG_FIELD_TEXT)
		try_texts(trial, at, field, says);
	else if (field->kind == OG_FIELD_WORD)
		try_value(trial, at, field, og_json_new_string("Nonsense"), says);
	else if (field->kind == OG_FIELD_BODY)
		try_body(trial, field->body,
			 list ? og_json_at(og_json_get(at, field->name), 0)
			      : og_json_get(at, field->name),
			 inner);
}

/* A member twice: a tree cannot hold that, so a marker is written and then replaced. */
static void try_twice(struct trial *trial, struct og_json *at, const struct og_field *field)
{
	static const char marker[] = "\"@marker\":1";
	struct og_json *value = sample(field);
	og_auto_free char *text = og_json_write(value);
	og_auto_free char *whole = NULL;
	og_auto_text body = {};
	const char *found;

	(void)og_json_free(value);
	og_json_set_int(at, "@marker", 1);
	whole = og_json_write(trial->root);
	og_json_unset(at, "@marker");
	found = strstr(whole, marker);
	CHECK(found != NULL);
	og_text_add_bytes(&body, whole, (size_t)(found - whole));
	og_text_addf(&body, "\"%s\":%s%s", field->name, text, found + strlen(marker));
	must_fail_with(trial, body.buf, field->name);
}

static void try_body(struct trial *trial, const struct og_body *body, struct og_json *at,
		     const char *path)
{
	char says[200], inner[180];

	og_json_set_int(at, "nonsense", 1);
	(void)snprintf(says, sizeof(says), "unknown field `%s%snonsense`", path,
		       *path != '\0' ? "." : "");
	must_fail(trial, says);
	og_json_unset(at, "nonsense");
	for (size_t i = 0; i < body->n_fields; i++) {
		const struct og_field *field = &body->fields[i];

		(void)snprintf(inner, sizeof(inner), "%s%s%s", path, *path != '\0' ? "." : "",
			       field->name);
		(void)snprintf(says, sizeof(says), "missing field `%s`", inner);
		if (field->presence == OG_REQUIRED) {
			og_json_unset(at, field->name);
			must_fail(trial, says);
			og_json_set(at, field->name, NULL);
			must_fail(trial, says);
			og_json_set(at, field->name, sample(field));
		}
		try_kinds(trial, at, field, inner);
		try_twice(trial, at, field);
		try_inner(trial, at, field, inner);
	}
}

static void path_of(const struct og_route *route, char *path, size_t size)
{
	size_t fixed = strcspn(route->path, "{");

	(void)snprintf(path, size, "%.*s%s", (int)fixed, route->path,
		       route->path[fixed] != '\0' ? "x" : "");
}

TEST(every_field_of_every_body_is_refused_by_its_path_when_it_is_wrong)
{
	unsigned cases = 0;

	for (unsigned i = 0; i < og_n_routes; i++) {
		og_auto_fake *fake = fake_new();
		struct trial trial = { .fake = fake, .route = &og_routes[i] };

		if (og_routes[i].body == NULL)
			continue;
		path_of(&og_routes[i], trial.path, sizeof(trial.path));
		trial.root = sample_body(og_routes[i].body);
		try_body(&trial, og_routes[i].body, trial.root, "");
		(void)og_json_free(trial.root);
		CHECK(trial.cases >= 6);
		CHECK_EQ(fake->api.metrics.requests[i].fails, 2 * trial.cases);
		cases += trial.cases;
	}
	fprintf(stderr, "%u cases\n", cases);
	CHECK(cases > 1000);
}

/* What is no JSON, no object, or nothing at all. */
TEST(every_body_that_is_no_object_is_refused)
{
	static const char *const bodies[] = {
		"{",   "[]",	   "\"x\"", "1",     "{} {}",	       "null",
		"{,}", "{\"a\":}", "\xff",  "// {}", "{\"\\ud800\":1}"
	};

	for (unsigned i = 0; i < og_n_routes; i++) {
		og_auto_fake *fake = fake_new();
		char path[128];

		if (og_routes[i].body == NULL)
			continue;
		path_of(&og_routes[i], path, sizeof(path));
		for (size_t k = 0; k < sizeof(bodies) / sizeof(bodies[0]); k++)
			refused(fake, method_of(&og_routes[i]), path, bodies[k], PREFIX);
		if (!og_routes[i].body_optional)
			refused(fake, method_of(&og_routes[i]), path, "",
				og_routes[i].method == OG_HTTP_PUT ? "Empty PUT request."
								   : "Empty PATCH request.");
	}
}

/* With a right body, every route in the phase that it is not for. */
TEST(every_route_is_refused_in_the_wrong_phase)
{
	for (unsigned i = 0; i < og_n_routes; i++) {
		og_auto_fake *fake = fake_new();
		const struct og_route *route = &og_routes[i];
		og_cleanup(og_json_freep) struct og_json *json =
			route->body != NULL ? sample_body(route->body) : NULL;
		og_auto_free char *body = json != NULL ? og_json_write(json) : strdup("");
		char path[128];

		path_of(route, path, sizeof(path));
		if (route->phase == OG_BEFORE_START) {
			fake->api.phase = OG_API_RUNNING;
			refused(fake, method_of(route), path, body,
				"not supported after starting the microVM.");
			fake->api.phase = OG_API_PAUSED;
			refused(fake, method_of(route), path, body,
				"not supported after starting the microVM.");
		} else if (route->phase == OG_AFTER_START) {
			refused(fake, method_of(route), path, body,
				"not supported before starting the microVM.");
		}
	}
}

TEST(ids_are_checked_and_compared)
{
	for (unsigned i = 0; i < og_n_routes; i++) {
		og_auto_fake *fake = fake_new();
		const struct og_route *route = &og_routes[i];
		size_t fixed = strcspn(route->path, "{");
		og_cleanup(og_json_freep) struct og_json *json = NULL;
		og_auto_free char *body = NULL;
		char path[300];

		if (route->path[fixed] == '\0')
			continue;
		json = sample_body(route->body);
		body = og_json_write(json);
		(void)snprintf(path, sizeof(path), "%.*s", (int)fixed - 1, route->path);
		refused(fake, method_of(route), path, body, "The ID cannot be empty.");
		(void)snprintf(path, sizeof(path), "%.*s", (int)fixed, route->path);
		refused(fake, method_of(route), path, body, "The ID cannot be empty.");
		(void)snprintf(path, sizeof(path), "%.*sa-b", (int)fixed, route->path);
		refused(fake, method_of(route), path, body, "alphanumeric");
		(void)snprintf(path, sizeof(path), "%.*sx/y", (int)fixed, route->path);
		refused(fake, method_of(route), path, body, "alphanumeric");
		(void)snprintf(path, sizeof(path), "%.*sy", (int)fixed, route->path);
		refused(fake, method_of(route), path, body, "does not match the id from the body");
		(void)snprintf(path, sizeof(path), "%.*s%0100d", (int)fixed, route->path, 0);
		refused(fake, method_of(route), path, body, "longer than 64");
	}
}

TEST(what_was_read_is_written_again)
{
	for (unsigned i = 0; i < og_n_routes; i++) {
		const struct og_body *body = og_routes[i].body;
		og_cleanup(og_json_freep) struct og_json *json = NULL, *again = NULL;
		og_auto_free char *data = NULL, *text = NULL, *other = NULL;

		if (body == NULL)
			continue;
		json = sample_body(body);
		data = calloc(1, body->size);
		CHECK_OK(og_body_read(body, json, data, NULL));
		again = og_body_write(body, data);
		text = og_json_write(json);
		other = og_json_write(again);
		CHECK(strcmp(text, other) == 0);
	}
}

/* The struct's room is what the table says: a body of the greatest size overruns nothing (ASan). */
TEST(the_largest_texts_and_lists_fit)
{
	for (unsigned i = 0; i < og_n_routes; i++) {
		const struct og_body *body = og_routes[i].body;

		CHECK(body == NULL || body->n_fields <= 32);
		for (size_t k = 0; body != NULL && k < body->n_fields; k++) {
			const struct og_field *field = &body->fields[k];
			size_t n = field->list_max > 0 ? field->list_max : 1;

			CHECK(field->at >= sizeof(uint32_t));
			CHECK(field->at + n * field->size <= body->size);
			CHECK(field->kind != OG_FIELD_BODY || field->size == field->body->size);
		}
	}
}

TEST_MAIN(TEST_ENTRY(every_field_of_every_body_is_refused_by_its_path_when_it_is_wrong),
	  TEST_ENTRY(every_body_that_is_no_object_is_refused),
	  TEST_ENTRY(every_route_is_refused_in_the_wrong_phase),
	  TEST_ENTRY(ids_are_checked_and_compared), TEST_ENTRY(what_was_read_is_written_again),
	  TEST_ENTRY(the_largest_texts_and_lists_fit))
