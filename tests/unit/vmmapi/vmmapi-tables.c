/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the API's tables as JSON, for whoever compares them with a description. */
#include <stdio.h>

#include "vmmapi/routes.h"

static void print_field(const struct og_field *field, struct og_json *bodies);

static void print_body(const struct og_body *body, struct og_json *bodies)
{
	struct og_json *json = og_json_new_object();
	struct og_json *fields = og_json_new_object();

	if (og_json_get(bodies, body->name) != NULL) {
		(void)og_json_free(json);
		(void)og_json_free(fields);
		return;
	}
	og_json_set(json, "fields", fields);
	og_json_set(bodies, body->name, json);
	for (size_t i = 0; i < body->n_fields; i++)
		print_field(&body->fields[i], bodies);
	for (size_t i = 0; i < body->n_fields; i++) {
		const struct og_field *field = &body->fields[i];
		static const char *const kinds[] = { "boolean", "integer", "string",
						     "word",	"body",	   "map" };
		struct og_json *row = og_json_new_object();
		struct og_json *words = og_json_new_array();

		og_json_set_string(row, "kind", kinds[field->kind]);
		og_json_set_bool(row, "required", field->presence == OG_REQUIRED);
		og_json_set_bool(row, "list", field->list_max > 0 && field->kind != OG_FIELD_MAP);
		for (size_t k = 0; field->kind == OG_FIELD_WORD && field->words[k] != NULL; k++)
			og_json_push(words, og_json_new_string(field->words[k]));
		og_json_set(row, "words", words);
		if (field->kind == OG_FIELD_BODY)
			og_json_set_string(row, "body", field->body->name);
		if (field->kind == OG_FIELD_UINT) {
			og_json_set(row, "min", og_json_new_uint(field->min));
			og_json_set(row, "max", og_json_new_uint(field->max));
		}
		og_json_set_bool(row, "deprecated", field->deprecated);
		og_json_set(fields, field->name, row);
	}
}

static void print_field(const struct og_field *field, struct og_json *bodies)
{
	if (field->kind == OG_FIELD_BODY)
		print_body(field->body, bodies);
}

int main(void)
{
	static const char *const methods[] = { "get", "put", "patch" };
	struct og_json *json = og_json_new_object();
	struct og_json *routes = og_json_new_array();
	struct og_json *bodies = og_json_new_object();

	for (unsigned i = 0; i < og_n_routes; i++) {
		struct og_json *row = og_json_new_object();

		og_json_set_string(row, "method", methods[og_routes[i].method]);
		og_json_set_string(row, "path", og_routes[i].path);
		if (og_routes[i].body != NULL) {
			og_json_set_string(row, "body", og_routes[i].body->name);
			print_body(og_routes[i].body, bodies);
		}
		og_json_set_bool(row, "any_json", og_routes[i].any_json);
		og_json_push(routes, row);
	}
	og_json_set(json, "routes", routes);
	og_json_set(json, "bodies", bodies);
	puts(og_json_write(json));
	(void)og_json_free(json);
	return 0;
}
