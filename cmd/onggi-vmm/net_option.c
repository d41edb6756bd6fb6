/* SPDX-License-Identifier: Apache-2.0 */
#include "net_option.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "vmm/tap.h"

/* Far longer than any value that is right. */
#define WORD_MAX 128

static int set_tap(struct og_net_config *net, const char *value, struct og_err *err)
{
	return og_tap_open(value, &net->tap_fd, err);
}

static int set_fd(struct og_net_config *net, const char *value, struct og_err *err)
{
	uint64_t number;

	if (og_parse_u64(value, 0, INT32_MAX, &number) < 0 || fcntl((int)number, F_GETFD) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no open descriptor's number", value);
	net->tap_fd = (int)number;
	return 0;
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

	return c != 0 && at != NULL ? (int)(at - digits) : -1;
}

static int set_mac(struct og_net_config *net, const char *value, struct og_err *err)
{
	bool good = strlen(value) == 3 * OG_NET_MAC_BYTES - 1;

	for (unsigned i = 0; good && i < OG_NET_MAC_BYTES; i++) {
		const char *at = value + 3 * (size_t)i;

		good = digit(at[0]) >= 0 && digit(at[1]) >= 0 &&
		       at[2] == (i + 1 < OG_NET_MAC_BYTES ? ':' : 0);
		if (good)
			net->mac[i] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
	}
	return good ? 0 : og_fail_plain(err, -EINVAL, "'%s' is no hardware address", value);
}

static int set_mtu(struct og_net_config *net, const char *value, struct og_err *err)
{
	uint64_t mtu;

	if (og_parse_u64(value, OG_NET_MTU_MIN, OG_NET_MTU_MAX, &mtu) < 0)
		return og_fail_plain(err, -EINVAL, "'%s' is no number from %d to %d", value,
				     OG_NET_MTU_MIN, OG_NET_MTU_MAX);
	net->mtu = (uint16_t)mtu;
	return 0;
}

/* "SIZE/MS" or "SIZE/MS/BURST" */
static int parse_bucket(const char *value, struct og_bucket_config *ret_bucket, struct og_err *err)
{
	uint64_t numbers[3] = {};
	char word[WORD_MAX];
	const char *at = value;
	unsigned n = 0;

	for (bool more = true; more; n++) {
		size_t len = strcspn(at, "/");

		if (n == 3 || len >= sizeof(word))
			return og_fail_plain(err, -EINVAL, "'%s' is not SIZE/MS or SIZE/MS/BURST",
					     value);
		memcpy(word, at, len);
		word[len] = 0;
		if (og_parse_u64(word, n < 2 ? 1 : 0, INT64_MAX, &numbers[n]) < 0)
			return og_fail_plain(err, -EINVAL, "'%s' is not SIZE/MS or SIZE/MS/BURST",
					     value);
		more = at[len] == '/';
		at += len + 1;
	}
	if (n < 2)
		return og_fail_plain(err, -EINVAL, "'%s' is not SIZE/MS or SIZE/MS/BURST", value);
	*ret_bucket = (struct og_bucket_config){
		.size = numbers[0],
		.refill_time_ms = numbers[1],
		.one_time_burst = numbers[2],
	};
	return 0;
}

static int set_rx_bytes(struct og_net_config *net, const char *value, struct og_err *err)
{
	return parse_bucket(value, &net->rx_limit.bytes, err);
}

static int set_rx_frames(struct og_net_config *net, const char *value, struct og_err *err)
{
	return parse_bucket(value, &net->rx_limit.ops, err);
}

static int set_tx_bytes(struct og_net_config *net, const char *value, struct og_err *err)
{
	return parse_bucket(value, &net->tx_limit.bytes, err);
}

static int set_tx_frames(struct og_net_config *net, const char *value, struct og_err *err)
{
	return parse_bucket(value, &net->tx_limit.ops, err);
}

static const struct key_row {
	const char *name;
	int (*set)(struct og_net_config *net, const char *value, struct og_err *err);
} keys[] = {
	{ "tap", set_tap },	      { "fd", set_fd },
	{ "mac", set_mac },	      { "mtu", set_mtu },
	{ "rx-bytes", set_rx_bytes }, { "rx-frames", set_rx_frames },
	{ "tx-bytes", set_tx_bytes }, { "tx-frames", set_tx_frames },
};

static int set_word(struct og_net_config *net, char *word, struct og_err *err)
{
	char *equals = strchr(word, '=');

	if (equals == NULL)
		return og_fail_plain(err, -EINVAL, "'%s' is not KEY=VALUE", word);
	*equals = 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (og_streq(keys[i].name, word)) {
			int r = keys[i].set(net, equals + 1, err);

			return r < 0 ? og_fail_in(err, r, "%s", word) : 0;
		}
	return og_fail_plain(err, -EINVAL,
			     "'%s' is none of tap, fd, mac, mtu, {rx,tx}-bytes, {rx,tx}-frames",
			     word);
}

int og_net_option(struct og_vmm_config *config, const char *words, struct og_err *err)
{
	struct og_net_config *net = &config->nets[config->n_nets];
	const char *at = words;

	if (config->n_nets == OG_VMM_NETS_MAX)
		return og_fail_plain(err, -EINVAL, "more than %d network cards", OG_VMM_NETS_MAX);
	*net = (struct og_net_config){ .tap_fd = -EBADF };
	(void)snprintf(net->id, sizeof(net->id), "net%u", config->n_nets);
	while (*at != 0) {
		size_t len = strcspn(at, ",");
		char word[WORD_MAX];
		int r;

		if (len >= sizeof(word))
			return og_fail_plain(err, -EINVAL, "'%s' is not KEY=VALUE", at);
		memcpy(word, at, len);
		word[len] = 0;
		r = set_word(net, word, err);
		if (r < 0)
			return r;
		at += len + (at[len] == ',');
	}
	if (net->tap_fd < 0)
		return og_fail_plain(err, -EINVAL, "names neither tap=NAME nor fd=N");
	config->n_nets++;
	return 0;
}
