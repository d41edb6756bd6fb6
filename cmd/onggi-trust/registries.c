/* SPDX-License-Identifier: Apache-2.0 */
#include "registries.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"

int trust_registry_open(struct trust_registry *registry, const char *name, unsigned int access,
			const struct og_words *insecure, struct og_err *err)
{
	og_auto_free char *key = NULL;
	int r = og_imageref_parse(name, &registry->ref, err);

	if (r < 0)
		return r;
	key = og_credentials_key(registry->ref.domain);
	if (key == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_credentials_find(key, &registry->credentials, err);
	if (r < 0)
		return r;
	registry->options = (struct og_remote_options){
		.access = access,
		.user = registry->credentials.user,
		.password = registry->credentials.password,
		.identity_token = registry->credentials.identity_token,
		.insecure = insecure != NULL ? insecure->items : NULL,
	};
	r = og_remote_new(&registry->ref, &registry->options, &registry->registry, err);
	return r < 0 ? r : og_http_client_new(&registry->client, err);
}

void trust_registry_done(struct trust_registry *registry)
{
	registry->registry = og_remote_free(registry->registry);
	registry->client = og_http_client_free(registry->client);
	og_credentials_done(&registry->credentials);
}
