/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "format/artifact.h"
#include "format/layer_text.h"
#include "format/manifest.h"
#include "registry/internal.h"
#include "trust/gate.h"
#include "trust/kept.h"

/* Indexes that name a manifest, of which one may be what was signed. */
#define PARENTS_MAX   "16"
#define REFERRERS_MAX "1000"

struct store {
	struct og_registry *registry;
	const char *repository;
};

/* ---- the registry's own store as a source ---- */

static int read_manifest(void *data, const char *reference, char **ret_buf, size_t *ret_len,
			 struct og_err *err)
{
	const struct store *store = data;
	struct og_manifest_record record = {};
	struct og_blob_digest digest = {};
	bool by_digest = og_blob_digest_parse(reference, &digest) == 0;
	struct og_db *db = og_records_read(store->registry->records);
	int r = og_records_find_manifest(db, store->repository, by_digest ? NULL : reference,
					 &digest, &record, err);

	og_records_unread(store->registry->records);
	if (r <= 0)
		return r < 0 ? r : og_fail_plain(err, -ENOENT, "there is no %s", reference);
	return og_blob_store_read(&store->registry->store, &record.digest, OG_MANIFEST_BYTES_MAX,
				  ret_buf, ret_len, err);
}

/* Only what the repository itself has: another's blob says nothing here. */
static int read_blob(void *data, const struct og_digest *digest, uint64_t size, size_t max_bytes,
		     char **ret_buf, struct og_err *err)
{
	const struct store *store = data;
	og_auto_free char *buf = NULL;
	struct og_blob_digest name = {};
	uint64_t bytes = 0;
	int64_t at = 0;
	size_t len = 0;
	struct og_db *db;
	int r = og_blob_digest_parse(og_digest_format(digest).text, &name);

	if (r < 0 || size > max_bytes)
		return og_fail_plain(err, -E2BIG, "blob %s: over %zu bytes", name.text, max_bytes);
	db = og_records_read(store->registry->records);
	r = og_records_find_link(db, store->repository, &name, &bytes, &at, err);
	og_records_unread(store->registry->records);
	if (r <= 0)
		return r < 0 ? r : og_fail_plain(err, -ENOENT, "there is no %s", name.text);
	r = og_blob_store_read(&store->registry->store, &name, max_bytes, &buf, &len, err);
	if (r == 0 && len != size)
		r = og_fail_plain(err, -EBADMSG, "blob %s: another size", name.text);
	if (r == 0)
		*ret_buf = og_take_ptr(buf);
	return r;
}

/* Rows of two texts, "DIGEST TYPE", NULL-terminated; the caller's. */
static int list_rows(const struct store *store, const char *sql, const char *digest,
		     char ***ret_rows, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **rows = calloc(1, sizeof(rows[0]));
	struct og_query *query = NULL;
	size_t count = 0;
	int r = rows == NULL ? -ENOMEM : 0;

	if (r == 0)
		r = og_db_query(og_records_read(store->registry->records), &query, err, sql, "ss",
				store->repository, digest);
	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		char **more = realloc(rows, (count + 2) * sizeof(rows[0]));

		if (more == NULL) {
			r = -ENOMEM;
			break;
		}
		rows = more;
		rows[count] = og_strdupf("%s %s", og_query_text(query, 0), og_query_text(query, 1));
		rows[count + 1] = NULL;
		r = rows[count++] == NULL ? -ENOMEM : 0;
	}
	(void)og_query_free(query);
	og_records_unread(store->registry->records);
	if (r < 0)
		return r == -ENOMEM ? og_fail(err, r, "no memory") : r;
	*ret_rows = og_take_ptr(rows);
	return 0;
}

static int each_referrer(void *data, const struct og_digest *subject, og_evidence_referrer_fn *fn,
			 void *fn_data, struct og_err *err)
{
	const struct store *store = data;
	og_cleanup(og_strv_freep) char **rows = NULL;
	int r = list_rows(
		store,
		"SELECT b.digest, m.artifact_type FROM repositories r, manifests m, blobs b"
		" WHERE r.name = ? AND m.repository = r.id AND m.subject = ? AND b.id = m.blob"
		" ORDER BY m.id DESC LIMIT " REFERRERS_MAX,
		og_digest_format(subject).text, &rows, err);

	for (char **row = rows; r == 0 && *row != NULL; row++) {
		char *blank = strchr(*row, ' ');

		*blank = '\0';
		r = fn(fn_data, *row, blank + 1, err);
	}
	return r < 0 ? r : 0;
}

/* ---- judging ---- */

/* Adds what the repository has to @evidence. */
static int fetch(struct store *store, struct og_evidence *evidence, struct og_err *err)
{
	const struct og_evidence_source source = {
		.manifest = read_manifest,
		.blob = read_blob,
		.referrers = each_referrer,
		.data = store,
	};

	return og_evidence_fetch(evidence, &source, err);
}

static int judge_with(struct store *store, const struct og_admission *gate,
		      struct og_admission_question *question, const struct og_digest *manifest,
		      const char *index, size_t index_len,
		      struct og_admission_decision *ret_decision, struct og_err *err)
{
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	struct og_err lacking = {};
	int r = og_evidence_new(manifest, index, index_len, &evidence, err);

	if (r < 0)
		return r;
	question->evidence = evidence;
	if (fetch(store, evidence, &lacking) < 0) {
		question->evidence = NULL;
		question->lacking = lacking.text;
	}
	return og_admission_judge(gate, question, ret_decision, err);
}

/* Where the manifest alone is refused: is there an index that names it, and with which it is not? */
static int judge_with_parents(struct store *store, const struct og_admission *gate,
			      struct og_admission_question *question,
			      const struct og_digest *manifest,
			      struct og_admission_decision *decision, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **rows = NULL;
	int r = list_rows(
		store,
		"SELECT b.digest, '' FROM repositories r, refs f, manifests m, blobs b"
		" WHERE r.name = ? AND f.target = ? AND f.repository = r.id"
		" AND m.id = f.manifest AND b.id = m.blob ORDER BY m.id DESC LIMIT " PARENTS_MAX,
		og_digest_format(manifest).text, &rows, err);

	for (char **row = rows; r == 0 && *row != NULL && decision->outcome == OG_ADMISSION_REFUSE;
	     row++) {
		og_auto_admission_decision other = {};
		og_auto_free char *buf = NULL;
		size_t len = 0;

		(*row)[strcspn(*row, " ")] = '\0';
		if (read_manifest(store, *row, &buf, &len, NULL) < 0 ||
		    judge_with(store, gate, question, manifest, buf, len, &other, NULL) < 0 ||
		    other.outcome == OG_ADMISSION_REFUSE)
			continue;
		og_admission_decision_done(decision);
		*decision = other;
		other = (struct og_admission_decision){};
	}
	return r;
}

/* ---- what is judged ---- */

static bool is_text(const struct og_blob_store *store, const struct og_blob_digest *digest)
{
	og_auto_fd fd = openat(og_blob_store_folder(store, digest), og_blob_digest_hex(digest),
			       O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t head[OG_LAYER_HEAD_BYTES];
	ssize_t n = fd < 0 ? fd : og_pread_upto(fd, head, sizeof(head), 0);

	return n >= 0 && og_layer_is_text(head, (size_t)n);
}

/*
 * Could a client run it? What it calls itself is the pusher's word: a signature is known by having nothing in it
 * that could be unpacked.
 */
static bool may_run(const struct og_registry *registry, const struct og_registry_event *event)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	enum og_runnable runnable = OG_RUNNABLE_YES;

	if (event->body != NULL &&
	    og_manifest_parse(event->body, event->bytes, event->media_type, &manifest, NULL) == 0)
		runnable = og_manifest_runnable(manifest);
	if (runnable != OG_RUNNABLE_BY_CONTENT)
		return runnable == OG_RUNNABLE_YES;
	for (size_t i = 0; i < manifest->count; i++)
		if (i == OG_ARTIFACT_LAYERS_MAX ||
		    !is_text(&registry->store, &manifest->items[i].digest))
			return true;
	return false;
}

static struct og_admission_question question_of(const struct og_registry_event *event)
{
	return (struct og_admission_question){
		.moment = event->change == OG_REGISTRY_PUSH_MANIFEST ? OG_ADMISSION_PUSH
								     : OG_ADMISSION_PULL,
		.now_s = time(NULL),
	};
}

static int refuse(const struct og_admission_decision *decision, const char *name,
		  struct og_err *err)
{
	return og_fail_plain(err, -EPERM, "%s is refused by the policy: %s", name,
			     decision->reasons);
}

/* An engine's own image: under @name, as clients know it here, and under the engine's name for it, so
 * that neither lends it what the other has not. */
static int judge_engine_image(struct store *store, const struct og_admission *gate,
			      const char *name, const struct og_digest *manifest,
			      const struct og_registry_event *event, struct og_err *err)
{
	const char *const names[] = { name, event->engine_name };
	struct og_admission_question question = question_of(event);
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	struct og_err lacking = {};
	int r = og_kept_read(og_engine_images_root(store->registry->engine), manifest, &evidence,
			     &lacking);

	if (r == -ENOENT)
		r = og_evidence_new(manifest, NULL, 0, &evidence, &lacking);
	if (r == 0)
		r = fetch(store, evidence, &lacking);
	question.evidence = r < 0 ? NULL : evidence;
	question.lacking = lacking.text;
	r = 0;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		og_auto_admission_decision decision = {};
		struct og_imageref ref;

		question.ref = &ref;
		r = og_imageref_parse(names[i], &ref, err);
		if (r == 0)
			r = og_admission_judge(gate, &question, &decision, err);
		if (r < 0)
			return og_fail_in(err, -EPERM, "the policy cannot be applied");
		if (decision.outcome == OG_ADMISSION_REFUSE)
			r = refuse(&decision, names[i], err);
	}
	return r;
}

static int judge_own(struct store *store, const struct og_admission *gate, const char *name,
		     const struct og_digest *manifest, const struct og_registry_event *event,
		     struct og_err *err)
{
	struct og_admission_question question = question_of(event);
	og_auto_admission_decision decision = {};
	struct og_imageref ref;
	int r = og_imageref_parse(name, &ref, err);

	question.ref = &ref;
	if (r == 0)
		r = judge_with(store, gate, &question, manifest, NULL, 0, &decision, err);
	if (r == 0 && decision.outcome == OG_ADMISSION_REFUSE)
		r = judge_with_parents(store, gate, &question, manifest, &decision, err);
	if (r < 0)
		return og_fail_in(err, -EPERM, "the policy cannot be applied");
	return decision.outcome == OG_ADMISSION_REFUSE ? refuse(&decision, name, err) : 0;
}

static int judge(struct store *store, const struct og_admission *gate, const char *host,
		 const struct og_registry_event *event, struct og_err *err)
{
	og_auto_free char *name = NULL;
	struct og_digest manifest;

	if (og_digest_parse(event->digest, &manifest) < 0)
		return og_fail_plain(err, -EPERM, "the policy judges sha256 alone, not %.40s",
				     event->digest);
	name = event->tag[0] != '\0'
		       ? og_strdupf("%s/%s:%s", host, event->repository, event->tag)
		       : og_strdupf("%s/%s@%s", host, event->repository, event->digest);
	if (name == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return event->engine_name[0] != '\0'
		       ? judge_engine_image(store, gate, name, &manifest, event, err)
		       : judge_own(store, gate, name, &manifest, event, err);
}

int og_registry_gate_check(const char *policy, struct og_err *err)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	int r = og_admission_open(policy, &gate, err);

	return r < 0 ? r : og_admission_check_keys(gate, err);
}

int og_registry_gate(const char *policy, const char *host, struct og_registry *registry,
		     const struct og_registry_event *event, struct og_err *err)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	struct store store = { .registry = registry, .repository = event->repository };
	int r;

	if (!may_run(registry, event))
		return 0;
	r = og_admission_open(policy, &gate, err);
	if (r < 0)
		return og_fail_in(err, -EPERM, "refused, for the policy cannot be read");
	return judge(&store, gate, host, event, err);
}
