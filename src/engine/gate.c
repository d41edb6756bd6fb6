/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/gate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/internal.h"
#include "format/manifest.h"
#include "image/remote.h"
#include "trust/gate.h"
#include "trust/kept.h"
#include "trust/remote.h"

/* ---- the policy's file ---- */

static bool may_be_there(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* NULL: there is no gate. */
static const char *policy_path(const struct og_engine *engine)
{
	if (engine->config.policy != NULL)
		return engine->config.policy;
	if (may_be_there(OG_POLICY_YAML))
		return OG_POLICY_YAML;
	return may_be_there(OG_POLICY_JSON) ? OG_POLICY_JSON : NULL;
}

void og_engine_gate_check(struct og_engine *engine)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	const char *path = policy_path(engine);
	struct og_err err = {};

	if (path == NULL)
		return;
	if (og_admission_open(path, &gate, &err) < 0)
		og_engine_report(engine, "no workload can be made: the policy cannot be read: %s",
				 err.text);
	else if (og_admission_check_keys(gate, &err) < 0)
		og_engine_report(engine, "policy '%s': %s", path, err.text);
}

/* ---- what is kept ---- */

static int read_kept(struct og_engine *engine, const struct og_image *image,
		     struct og_evidence **ret_evidence, struct og_err *err)
{
	struct og_digest manifest;

	if (og_digest_parse(image->manifest, &manifest) < 0)
		return og_fail_plain(err, -ENOENT, "it came with no manifest");
	return og_kept_read(engine->data_fd, &manifest, ret_evidence, err);
}

static bool is_of(const char *name, struct og_image *const *list)
{
	for (; *list != NULL; list++) {
		const char *hex = (*list)->manifest + strlen(OG_DIGEST_PREFIX);

		if (strlen((*list)->manifest) == strlen(OG_DIGEST_PREFIX) + OG_DIGEST_HEX_CHARS &&
		    og_starts_with(name, hex))
			return true;
	}
	return false;
}

/* The names in the folder, NULL-terminated, the caller's; NULL when it cannot be read. */
static char **list_kept(int dir_fd)
{
	og_cleanup(og_strv_freep) char **names = calloc(1, sizeof(names[0]));
	int fd = dup(dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t count = 0;

	if (dir == NULL)
		og_close(fd);
	while (dir != NULL && names != NULL && (entry = readdir(dir)) != NULL) {
		char **more = realloc(names, (count + 2) * sizeof(names[0]));

		if (more == NULL)
			break;
		names = more;
		names[count] = strdup(entry->d_name);
		names[count + 1] = NULL;
		if (names[count++] == NULL)
			break;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return og_take_ptr(names);
}

/*
 * Takes away what is of images that are gone. The files are listed first: each was written when its image
 * was there, so that one which is being pulled meanwhile is among the images.
 */
static void forget_others(struct og_engine *engine)
{
	og_cleanup(og_image_list_freep) struct og_image **images = NULL;
	og_cleanup(og_strv_freep) char **names = NULL;
	og_auto_fd dir_fd =
		og_open_beneath(engine->data_fd, OG_KEPT_FOLDER, O_RDONLY | O_DIRECTORY, 0);

	if (dir_fd >= 0)
		names = list_kept(dir_fd);
	if (names == NULL || og_images_list(engine->images, &images, NULL) < 0)
		return;
	for (char **name = names; *name != NULL; name++) {
		if ((*name)[0] != '.' && !is_of(*name, images))
			(void)unlinkat(dir_fd, *name, 0);
	}
}

/* ---- after a pull ---- */

/* The index that the reference names, when the image was chosen from it. */
static int new_evidence(const struct og_document *document, const struct og_digest *manifest,
			struct og_evidence **ret_evidence, struct og_err *err)
{
	if (!og_digest_equal(&document->digest, manifest) &&
	    og_evidence_new(manifest, document->buf, document->len, ret_evidence, NULL) == 0)
		return 0;
	return og_evidence_new(manifest, NULL, 0, ret_evidence, err);
}

static int fetch(struct og_engine *engine, const struct og_pull *pull,
		 const struct og_digest *manifest, struct og_err *err)
{
	const struct og_remote_options options = {
		.access = OG_REMOTE_PULL,
		.user = pull->user,
		.password = pull->password,
		.identity_token = pull->identity_token,
		.insecure = pull->insecure,
	};
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	struct og_imageref ref;
	int r = og_imageref_parse(pull->reference, &ref, err);

	if (r == 0)
		r = og_remote_new(&ref, &options, &registry, err);
	if (r == 0)
		r = og_http_client_new(&client, err);
	if (r == 0)
		r = og_remote_manifest(registry, client,
				       ref.has_digest ? og_digest_format(&ref.digest).text
						      : ref.tag,
				       &document, err);
	if (r == 0)
		r = new_evidence(&document, manifest, &evidence, err);
	if (r == 0)
		r = og_evidence_fetch_remote(evidence, registry, client, err);
	return r < 0 ? r : og_kept_write(engine->data_fd, evidence, err);
}

void og_engine_gate_pulled(struct og_engine *engine, const struct og_pull *pull, const char *id)
{
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	struct og_digest manifest;
	struct og_err err = {};
	int r;

	if (policy_path(engine) == NULL)
		return;
	r = og_images_find(engine->images, id, &image, &err);
	if (r == 0 && og_digest_parse(image->manifest, &manifest) < 0)
		r = og_fail_plain(&err, -EBADMSG, "the image has no manifest");
	if (r == 0)
		r = fetch(engine, pull, &manifest, &err);
	if (r < 0)
		og_engine_report(engine, "what vouches for %s: %s", pull->reference, err.text);
	else
		forget_others(engine);
}

/* ---- at a create ---- */

/* Under this name; the worst outcome so far is kept in @worst. */
static int judge_name(const struct og_admission *gate, const char *name,
		      const struct og_evidence *evidence, const char *lacking,
		      struct og_admission_decision *worst, struct og_err *err)
{
	og_auto_admission_decision decision = {};
	struct og_imageref ref;
	struct og_admission_question question = {
		.ref = &ref,
		.moment = OG_ADMISSION_CREATE,
		.now_s = time(NULL),
		.evidence = evidence,
		.lacking = lacking,
	};
	int r = og_imageref_parse(name, &ref, err);

	if (r == 0)
		r = og_admission_judge(gate, &question, &decision, err);
	if (r < 0)
		return r;
	if (worst->reasons == NULL || decision.outcome > worst->outcome) {
		og_admission_decision_done(worst);
		*worst = decision;
		decision = (struct og_admission_decision){};
	}
	return 0;
}

/* Is it a name, and not the ID or a piece of it? */
static bool is_name(const char *asked, const struct og_image *image)
{
	const char *hex = image->id + strlen(OG_DIGEST_PREFIX);

	return !og_starts_with(image->id, asked) && !og_starts_with(hex, asked);
}

/* One that was asked for by its ID is judged under each name that it has. */
static int judge(const struct og_admission *gate, const char *asked, const struct og_image *image,
		 const struct og_evidence *evidence, const char *lacking,
		 struct og_admission_decision *worst, struct og_err *err)
{
	char **const lists[] = { image->repo_tags, image->repo_digests };
	int r = 0;

	if (is_name(asked, image))
		return judge_name(gate, asked, evidence, lacking, worst, err);
	for (size_t i = 0; i < 2; i++) {
		for (char **name = lists[i]; r == 0 && name != NULL && *name != NULL; name++)
			r = judge_name(gate, *name, evidence, lacking, worst, err);
	}
	if (r == 0 && worst->reasons == NULL)
		r = judge_name(gate, "localhost/unnamed", evidence, lacking, worst, err);
	return r;
}

int og_engine_gate_admit(struct og_engine *engine, const char *asked, const struct og_image *image,
			 char **ret_warning, struct og_err *err)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	og_auto_admission_decision decision = {};
	const char *path = policy_path(engine);
	struct og_err lacking = {};
	int r;

	if (path == NULL)
		return 0;
	r = og_admission_open(path, &gate, err);
	if (r < 0)
		return og_fail_in(err, -EPERM, "refused, for the policy cannot be read");
	(void)read_kept(engine, image, &evidence, &lacking);
	r = judge(gate, asked, image, evidence, lacking.text, &decision, err);
	if (r < 0)
		return og_fail_in(err, -EPERM, "refused, for the policy cannot be applied");
	if (decision.outcome == OG_ADMISSION_REFUSE)
		return og_fail_plain(err, -EPERM, "%s is refused by the policy: %s", asked,
				     decision.reasons);
	if (decision.outcome == OG_ADMISSION_ISOLATE) {
		*ret_warning =
			og_strdupf("The policy wants this image in a VM: %s", decision.reasons);
		return *ret_warning == NULL ? og_fail(err, -ENOMEM, "no memory") : 0;
	}
	return 0;
}
