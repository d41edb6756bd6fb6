/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces, and the metadata service behind them: its packets are the machine's
 * (vmm/mmds/), its text is mmds.c's, which the machine calls through a hook. The text lies in memory
 * that is there before the start, as the machine may map none later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "vmm/control.h"
#include "vmm/tap.h"
#include "vmmapi/bind.h"

/* In the machine's process: its copy of the metadata. */
struct og_bind_mmds {
	struct og_mmds mmds;
	struct og_metrics *metrics;
	size_t room;
	char text[];
};

static size_t respond(void *data, const char *request, size_t len, uint64_t now_ms, uint64_t nonce,
		      char *answer, size_t size, struct og_mmds_reply *ret_reply)
{
	struct og_bind_mmds *own = data;
	struct og_mmds_outcome outcome;
	size_t n;

	own->mmds.text = own->mmds.len > 0 ? own->text : NULL; /* it may have been moved */
	n = og_mmds_respond(&own->mmds, request, len, now_ms, nonce, answer, size, &outcome);

	if (own->metrics != NULL) {
		og_counted(&own->metrics->mmds.rx_invalid_token, outcome.invalid_token);
		og_counted(&own->metrics->mmds.rx_no_token, outcome.no_token);
	}
	*ret_reply = (struct og_mmds_reply){ outcome.taken, outcome.keep_alive };
	return n;
}

/* Until all of it is there, there is none. */
static int update(void *data, int fd, struct og_err *err)
{
	struct og_bind_mmds *own = data;
	ssize_t n;

	own->mmds.len = 0;
	n = og_read_upto(fd, own->text, own->room); /* the front wound it back */
	if (n < 0)
		return og_fail(err, (int)n, "read the metadata");
	own->mmds.len = (size_t)n;
	return 0;
}

static int make_key(struct og_mmds *mmds)
{
	return getrandom(mmds->key, sizeof(mmds->key), 0) == sizeof(mmds->key) ? 0 : -EIO;
}

static int cloned(void *data, struct og_metrics *metrics)
{
	struct og_bind_mmds *own = data;

	own->metrics = metrics;
	return make_key(&own->mmds);
}

/* Its form was checked when it was read; "" is the default. */
static uint32_t ipv4_of(const char *text)
{
	struct in_addr address = {};

	(void)inet_pton(AF_INET, text, &address);
	return ntohl(address.s_addr);
}

static int make_mmds(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	size_t room = api->mmds.max_bytes;
	size_t size = sizeof(struct og_bind_mmds) + room;
	struct og_bind_mmds *own =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (own == MAP_FAILED)
		return og_fail(err, -errno, "make room for metadata");
	bind->mmds = own;
	bind->mmds_bytes = size;
	own->room = room;
	own->metrics = api->metrics.shared;
	own->mmds.v2 = api->mmds_config.version == 1;
	own->mmds.imds_compat = api->mmds_config.imds_compat;
	if (make_key(&own->mmds) < 0)
		return og_fail(err, -EIO, "make a key for tokens");
	if (api->mmds.text != NULL) {
		memcpy(own->text, api->mmds.text, api->mmds.len);
		own->mmds.len = api->mmds.len;
	}
	return 0;
}

static bool leads_to_mmds(const struct og_vmmapi *api, const char *id)
{
	for (unsigned i = 0; api->has_mmds_config && i < api->mmds_config.n_network_interfaces; i++)
		if (og_streq(api->mmds_config.network_interfaces[i], id))
			return true;
	return false;
}

static void convert_mac(const char *text, uint8_t mac[OG_NET_MAC_BYTES])
{
	for (size_t i = 0; *text != '\0' && i < OG_NET_MAC_BYTES; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
}

static int set_net(struct og_bind *bind, const struct og_vmmapi *api, unsigned i,
		   struct og_err *err)
{
	const struct og_api_net *from = &api->nets[i];
	struct og_net_config *net = &bind->config.nets[i];
	int r = og_tap_open(from->host_dev_name, &bind->tap_fds[i], err);

	if (r < 0)
		return og_fail_in(err, r, "network-interfaces/%s: host_dev_name", from->iface_id);
	memcpy(net->id, from->iface_id, sizeof(net->id));
	net->tap_fd = bind->tap_fds[i];
	convert_mac(from->guest_mac, net->mac);
	net->mtu = (uint16_t)from->mtu;
	og_limit_convert(&from->rx_rate_limiter, &net->rx_limit);
	og_limit_convert(&from->tx_rate_limiter, &net->tx_limit);
	if (leads_to_mmds(api, from->iface_id))
		net->mmds = &bind->config.mmds;
	og_vmm_config_keep(&bind->config, net->tap_fd);
	bind->config.n_nets = i + 1;
	return 0;
}

int og_bind_nets(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	int r = 0;

	og_bind_close_nets(bind);
	if (api->has_mmds_config) {
		r = make_mmds(bind, api, err);
		bind->config.mmds = (struct og_mmds_config){
			.respond = respond,
			.update = update,
			.cloned = cloned,
			.data = bind->mmds,
			.data_bytes = bind->mmds_bytes,
			.answer_max = og_mmds_answer_max(api->mmds.max_bytes),
			.ipv4 = ipv4_of(api->mmds_config.ipv4_address),
		};
	}
	for (unsigned i = 0; r == 0 && i < api->n_nets; i++)
		r = set_net(bind, api, i, err);
	return r;
}

void og_bind_close_nets(struct og_bind *bind)
{
	for (unsigned i = 0; i < OG_VMM_NETS_MAX; i++)
		bind->tap_fds[i] = og_close(bind->tap_fds[i]);
	if (bind->mmds != NULL)
		(void)munmap(bind->mmds, bind->mmds_bytes);
	bind->mmds = NULL;
}

int og_bind_send_mmds(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_MMDS };
	struct og_answer answer;
	og_auto_fd fd = memfd_create("mmds", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "hand the metadata over");
	r = og_write_all(fd, api->mmds.text, api->mmds.len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return og_fail(err, r, "hand the metadata over");
	return og_control_call(bind->process.control_fd, &command, &fd, 1, &answer, err);
}
