/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/sealed.h"
#include "base/text.h"
#include "format/cosign_key.h"

void og_keys_done(struct og_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		(void)og_pk_free(keys->items[i]);
	free(keys->items);
	*keys = (struct og_keys){};
}

int og_keys_add_text(struct og_keys *keys, const char *text, size_t len, struct og_err *err)
{
	struct og_pk **items = realloc(keys->items, (keys->count + 1) * sizeof(items[0]));
	int r;

	if (items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	keys->items = items;
	r = og_pk_parse(text, len, &items[keys->count], err);
	if (r == 0)
		keys->count++;
	return r;
}

int og_keys_add_file(struct og_keys *keys, const char *path, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, OG_PK_PEM_MAX, &text, &len, err);

	if (r == 0)
		r = og_keys_add_text(keys, text, len, err);
	return r < 0 ? og_fail_in(err, r, "key '%s'", path) : 0;
}

int og_key_is_sealed(const char *path, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, OG_COSIGN_KEY_BYTES_MAX, &text, &len, err);

	return r < 0 ? r : og_cosign_key_is(text, len);
}

static int open_sealed(const char *text, size_t len, const char *password, struct og_sk **ret_sk,
		       struct og_err *err)
{
	og_cleanup(og_cosign_key_done) struct og_cosign_key key = {};
	og_auto_free void *der = NULL;
	size_t der_len;
	int r = og_cosign_key_parse(text, len, &key, err);

	if (r < 0)
		return r;
	if (password == NULL)
		return og_fail_plain(err, -EKEYREJECTED, "it needs a password");
	der_len = key.box_len - OG_SEALED_SEAL_BYTES;
	der = malloc(der_len);
	if (der == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_sealed_open(&key.sealed, password, (const uint8_t *)key.box, key.box_len, der, err);
	if (r == 0)
		r = og_sk_parse(der, der_len, false, ret_sk, err);
	explicit_bzero(der, der_len);
	return r;
}

int og_key_load(const char *path, const char *password, struct og_sk **ret_sk, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len = 0;
	int r = og_read_file(AT_FDCWD, path, OG_COSIGN_KEY_BYTES_MAX, &text, &len, err);

	if (r < 0)
		return r;
	if (og_cosign_key_is(text, len))
		r = open_sealed(text, len, password, ret_sk, err);
	else
		r = og_sk_parse(text, len, true, ret_sk, err);
	explicit_bzero(text, len);
	return r < 0 ? og_fail_in(err, r, "key '%s'", path) : 0;
}

/* ---- making ---- */

static int seal(const struct og_sk *sk, const char *password, char **ret_text, struct og_err *err)
{
	og_cleanup(og_cosign_key_done) struct og_cosign_key key = {};
	og_auto_free void *der = NULL;
	size_t len = 0;
	int r = og_sk_write(sk, &der, &len, err);

	if (r == 0)
		r = og_sealed_new(&key.sealed, err);
	if (r < 0)
		return r;
	key.box_len = len + OG_SEALED_SEAL_BYTES;
	key.box = malloc(key.box_len);
	if (key.box == NULL)
		r = og_fail(err, -ENOMEM, "no memory");
	else
		r = og_sealed_close(&key.sealed, password, der, len, (uint8_t *)key.box, err);
	explicit_bzero(der, len);
	if (r < 0)
		return r;
	*ret_text = og_cosign_key_write(&key);
	return *ret_text == NULL ? og_fail(err, -ENOMEM, "no memory") : 0;
}

static int write_new(const char *path, const char *text, mode_t mode, struct og_err *err)
{
	og_auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "make '%s'", path);
	r = og_write_all(fd, text, strlen(text));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? og_fail(err, r, "write '%s'", path) : 0;
}

int og_key_generate(const char *prefix, const char *password, struct og_err *err)
{
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
	og_auto_free char *private_path = og_strdupf("%s.key", prefix);
	og_auto_free char *public_path = og_strdupf("%s.pub", prefix);
	og_auto_free char *private_text = NULL, *public_text = NULL;
	int r;

	if (private_path == NULL || public_path == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (access(public_path, F_OK) == 0)
		return og_fail(err, -EEXIST, "'%s'", public_path);
	r = og_sk_generate(&sk, err);
	if (r == 0)
		r = og_sk_public(sk, &pk, err);
	if (r == 0)
		r = og_pk_write(pk, &public_text, err);
	if (r == 0)
		r = seal(sk, password, &private_text, err);
	if (r == 0)
		r = write_new(private_path, private_text, 0600, err);
	if (r == 0)
		r = write_new(public_path, public_text, 0644, err);
	return r;
}
