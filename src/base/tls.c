/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * What is fast on processors with AES instructions goes first, whatever a client prefers; nothing
 * is spoken that is not authenticated encryption with a key of its own for each connection.
 */
#define PRIORITY                                                                            \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:" \
	"+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:%SERVER_PRECEDENCE"

/* What a client's certificate may be called: X.520 ends a common name at 64, DNS a name at 253. */
#define NAME_MAX_BYTES 256

/* One reading of the files. Sessions hold it while a reload replaces it. */
struct credentials {
	gnutls_certificate_credentials_t handle;
	unsigned users; /* guarded by the server's lock */
};

struct og_tls_server {
	char *certificate;
	char *key;
	char *client_ca;
	bool client_optional;
	gnutls_priority_t priority;
	gnutls_datum_t ticket_key;
	pthread_mutex_t lock;
	struct credentials *current;
};

struct og_tls {
	struct og_tls_server *server;
	struct credentials *credentials;
	gnutls_session_t session;
	bool ready; /* the handshake is over */
	bool wants_write;
	bool more;			  /* see og_tls_more() */
	int fd;				  /* borrowed */
	char client_name[NAME_MAX_BYTES]; /* "": none */
};

/* ---- certificates ---- */

static struct credentials *credentials_free(struct credentials *credentials)
{
	if (credentials == NULL)
		return NULL;
	if (credentials->handle != NULL)
		gnutls_certificate_free_credentials(credentials->handle);
	free(credentials);
	return NULL;
}
OG_DEFINE_CLEANUP(struct credentials, credentials_free)

static int credentials_read(const struct og_tls_server *tls, struct credentials **ret_credentials,
			    struct og_err *err)
{
	og_cleanup(credentials_freep) struct credentials *credentials =
		calloc(1, sizeof(*credentials));
	int r;

	if (credentials == NULL ||
	    gnutls_certificate_allocate_credentials(&credentials->handle) < 0)
		return og_fail(err, -ENOMEM, "read certificates");
	r = gnutls_certificate_set_x509_key_file(credentials->handle, tls->certificate, tls->key,
						 GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return og_fail_plain(err, -EINVAL, "certificate '%s' with key '%s': %s",
				     tls->certificate, tls->key, gnutls_strerror(r));
	if (tls->client_ca != NULL) {
		r = gnutls_certificate_set_x509_trust_file(credentials->handle, tls->client_ca,
							   GNUTLS_X509_FMT_PEM);
		if (r <= 0)
			return og_fail_plain(err, -EINVAL, "certificates of '%s': %s",
					     tls->client_ca,
					     r < 0 ? gnutls_strerror(r) : "there are none");
	}
	credentials->users = 1;
	*ret_credentials = og_take_ptr(credentials);
	return 0;
}

static void credentials_drop(struct og_tls_server *tls, struct credentials *credentials)
{
	bool unused;

	(void)pthread_mutex_lock(&tls->lock);
	unused = --credentials->users == 0;
	(void)pthread_mutex_unlock(&tls->lock);
	if (unused)
		(void)credentials_free(credentials);
}

static struct credentials *credentials_hold(struct og_tls_server *tls)
{
	struct credentials *credentials;

	(void)pthread_mutex_lock(&tls->lock);
	credentials = tls->current;
	credentials->users++;
	(void)pthread_mutex_unlock(&tls->lock);
	return credentials;
}

static bool copy_name(const char *name, char **ret_copy)
{
	*ret_copy = name == NULL ? NULL : strdup(name);
	return name == NULL || *ret_copy != NULL;
}

int og_tls_server_new(const struct og_tls_files *files, struct og_tls_server **ret_tls,
		      struct og_err *err)
{
	og_cleanup(og_tls_server_freep) struct og_tls_server *tls = calloc(1, sizeof(*tls));
	int r;

	if (tls == NULL)
		return og_fail(err, -ENOMEM, "make TLS server");
	(void)pthread_mutex_init(&tls->lock, NULL);
	tls->client_optional = files->client_optional;
	if (!copy_name(files->certificate, &tls->certificate) ||
	    !copy_name(files->key, &tls->key) || !copy_name(files->client_ca, &tls->client_ca) ||
	    gnutls_priority_init(&tls->priority, PRIORITY, NULL) < 0 ||
	    gnutls_session_ticket_key_generate(&tls->ticket_key) < 0)
		return og_fail(err, -ENOMEM, "make TLS server");
	r = credentials_read(tls, &tls->current, err);
	if (r < 0)
		return r;
	*ret_tls = og_take_ptr(tls);
	return 0;
}

int og_tls_server_reload(struct og_tls_server *tls, struct og_err *err)
{
	struct credentials *fresh = NULL, *old;
	int r = credentials_read(tls, &fresh, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&tls->lock);
	old = tls->current;
	tls->current = fresh;
	(void)pthread_mutex_unlock(&tls->lock);
	credentials_drop(tls, old);
	return 0;
}

struct og_tls_server *og_tls_server_free(struct og_tls_server *tls)
{
	if (tls == NULL)
		return NULL;
	(void)credentials_free(tls->current);
	gnutls_free(tls->ticket_key.data);
	if (tls->priority != NULL)
		gnutls_priority_deinit(tls->priority);
	(void)pthread_mutex_destroy(&tls->lock);
	free(tls->certificate);
	free(tls->key);
	free(tls->client_ca);
	free(tls);
	return NULL;
}

/* ---- clients' certificates ---- */

static bool is_plain_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return false;
	return len > 0;
}

static void read_name(struct og_tls *tls, gnutls_x509_crt_t certificate)
{
	char name[NAME_MAX_BYTES];
	size_t len = sizeof(name);
	int r = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
					      &len);

	if (r < 0 || !is_plain_name(name, len)) {
		len = sizeof(name);
		r = gnutls_x509_crt_get_subject_alt_name(certificate, 0, name, &len, NULL);
	}
	if (r >= 0 && len < sizeof(name) && is_plain_name(name, len)) {
		memcpy(tls->client_name, name, len);
		tls->client_name[len] = '\0';
	}
}

/* During the handshake, so that a client hears in an alert that it is refused. */
static int check_client(gnutls_session_t session)
{
	struct og_tls *tls = gnutls_session_get_ptr(session);
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	gnutls_x509_crt_t certificate;
	const gnutls_datum_t *chain;
	unsigned count = 0, status = 0;

	chain = gnutls_certificate_get_peers(session, &count);
	if (chain == NULL || count == 0)
		return tls->server->client_optional ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0 ||
	    gnutls_x509_crt_init(&certificate) < 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) >= 0)
		read_name(tls, certificate);
	gnutls_x509_crt_deinit(certificate);
	return tls->client_name[0] == '\0' ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

/* ---- one connection ---- */

static ssize_t push(gnutls_transport_ptr_t data, const giovec_t *iov, int count)
{
	const struct og_tls *tls = data;
	struct msghdr message = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = (size_t)count,
	};

	/* GnuTLS reads errno. */
	return sendmsg(tls->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (tls->more ? MSG_MORE : 0));
}

static ssize_t pull(gnutls_transport_ptr_t data, void *buf, size_t len)
{
	const struct og_tls *tls = data;

	return recv(tls->fd, buf, len, MSG_DONTWAIT);
}

static bool set_up(struct og_tls *tls, int fd)
{
	struct og_tls_server *server = tls->server;
	const gnutls_datum_t http = { .data = (unsigned char *)"http/1.1", .size = 8 };

	if (gnutls_init(&tls->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
	    gnutls_priority_set(tls->session, server->priority) < 0 ||
	    gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials->handle) <
		    0)
		return false;
	(void)gnutls_alpn_set_protocols(tls->session, &http, 1, 0);
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT);
	tls->fd = fd;
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_vec_push_function(tls->session, push);
	/* A ticket would let in whose certificate was withdrawn since. */
	if (server->client_ca == NULL)
		return gnutls_session_ticket_enable_server(tls->session, &server->ticket_key) >= 0;
	gnutls_certificate_server_set_request(
		tls->session, server->client_optional ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(tls->session, check_client);
	return true;
}

int og_tls_accept(struct og_tls_server *server, int fd, struct og_tls **ret_tls)
{
	og_cleanup(og_tls_freep) struct og_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return -ENOMEM;
	tls->server = server;
	tls->credentials = credentials_hold(server);
	if (!set_up(tls, fd))
		return -ENOMEM;
	*ret_tls = og_take_ptr(tls);
	return 0;
}

/* What GnuTLS says, as an errno; 1: it is to be asked again. */
static int outcome(struct og_tls *tls, ssize_t result)
{
	switch (result) {
	case GNUTLS_E_AGAIN:
		tls->wants_write = gnutls_record_get_direction(tls->session) == 1;
		return -EAGAIN;
	case GNUTLS_E_INTERRUPTED:
		return 1;
	case GNUTLS_E_CERTIFICATE_ERROR:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return -EKEYREJECTED;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		return -ECONNRESET;
	default: /* a second handshake too: nobody of ours wants one */
		return result == GNUTLS_E_WARNING_ALERT_RECEIVED ? 1 : -EPROTO;
	}
}

int og_tls_handshake(struct og_tls *tls)
{
	int r;

	do {
		r = gnutls_handshake(tls->session);
		if (r == GNUTLS_E_SUCCESS) {
			tls->ready = true;
			return 0;
		}
		if (gnutls_error_is_fatal(r))
			(void)gnutls_alert_send_appropriate(tls->session, r);
		r = outcome(tls, r);
	} while (r > 0);
	return r;
}

bool og_tls_wants_write(const struct og_tls *tls)
{
	return tls->wants_write;
}

ssize_t og_tls_read(struct og_tls *tls, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = gnutls_record_recv(tls->session, buf, len);
		if (n >= 0)
			return n;
		n = outcome(tls, n);
	} while (n > 0);
	return n;
}

ssize_t og_tls_write(struct og_tls *tls, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = gnutls_record_send(tls->session, buf, len);
		if (n >= 0)
			return n;
		n = outcome(tls, n);
	} while (n > 0);
	return n;
}

void og_tls_more(struct og_tls *tls, bool more)
{
	tls->more = more;
}

const char *og_tls_client_name(const struct og_tls *tls)
{
	return tls->client_name[0] == '\0' ? NULL : tls->client_name;
}

struct og_tls *og_tls_free(struct og_tls *tls)
{
	if (tls == NULL)
		return NULL;
	if (tls->ready)
		(void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	if (tls->session != NULL)
		gnutls_deinit(tls->session);
	credentials_drop(tls->server, tls->credentials);
	free(tls);
	return NULL;
}
