/* SPDX-License-Identifier: Apache-2.0 */
/* Three texts with a NUL between them: the user that is wanted, /etc/passwd, /etc/group. */
#include "format/passwd.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *spec = (const char *)data;
	const char *end = spec + size;
	const char *passwd, *group;
	struct og_user user = {};

	passwd = memchr(spec, '\0', size);
	if (passwd++ == NULL)
		return 0;
	group = memchr(passwd, '\0', (size_t)(end - passwd));
	if (group++ == NULL)
		return 0;
	if (og_user_resolve(spec, (struct og_passwd_file){ passwd, (size_t)(group - 1 - passwd) },
			    (struct og_passwd_file){ group, (size_t)(end - group) }, &user,
			    NULL) < 0)
		return 0;
	if (user.uid > OG_PASSWD_ID_MAX || user.gid > OG_PASSWD_ID_MAX || user.home[0] != '/')
		abort();
	return 0;
}
