/* SPDX-License-Identifier: Apache-2.0 */
#include "client/filters.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "client/session.h"

int og_filters_add(struct og_text *query, const struct og_words *words, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *filters = og_json_new_object();
	og_auto_free char *text = NULL;

	if (words->count == 0)
		return 0;
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i];
		size_t len = strcspn(word, "=");
		og_auto_free char *key = strndup(word, len);
		struct og_json *values;

		if (word[len] == '\0' || key == NULL)
			return og_fail_plain(err, -EINVAL, "--filter '%s' is not KEY=VALUE", word);
		values = og_json_get(filters, key);
		if (values == NULL) {
			values = og_json_new_array();
			og_json_set(filters, key, values);
		}
		og_json_push(values, og_json_new_string(word + len + 1));
	}
	text = og_json_write(filters);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "filter");
	og_text_add(query, "filters=");
	og_url_add(query, text, "");
	return 0;
}
