/* struct tcp_info and SK_MEMINFO_* as Lua tables, as far as the kernel sent them. */
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>

#include "binding/sockets.h"

static const struct info_field {
	const char *name;
	uint16_t offset;
	uint8_t size; /* bytes */
	uint8_t shift, bits; /* of a bit field; bits 0: none */
} tcp_fields[] = {
#define FIELD(name)                                                       \
	{                                                                 \
#name, offsetof(struct tcp_info, tcpi_##name),            \
			sizeof(((struct tcp_info *)0)->tcpi_##name), 0, 0 \
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_BITS(name, offset, shift, bits)   \
	{                                     \
#name, offset, 1, shift, bits \
	}
#else
#define LOW_BITS(name, offset, shift, bits)                  \
	{                                                    \
#name, offset, 1, 8 - (shift) - (bits), bits \
	}
#endif
	FIELD(state),
	FIELD(ca_state),
	FIELD(retransmits),
	FIELD(probes),
	FIELD(backoff),
	FIELD(options),
	LOW_BITS(snd_wscale, 6, 0, 4),
	LOW_BITS(rcv_wscale, 6, 4, 4),
	LOW_BITS(delivery_rate_app_limited, 7, 0, 1),
	LOW_BITS(fastopen_client_fail, 7, 1, 2),
	FIELD(rto),
	FIELD(ato),
	FIELD(snd_mss),
	FIELD(rcv_mss),
	FIELD(unacked),
	FIELD(sacked),
	FIELD(lost),
	FIELD(retrans),
	FIELD(fackets),
	FIELD(last_data_sent),
	FIELD(last_ack_sent),
	FIELD(last_data_recv),
	FIELD(last_ack_recv),
	FIELD(pmtu),
	FIELD(rcv_ssthresh),
	FIELD(rtt),
	FIELD(rttvar),
	FIELD(snd_ssthresh),
	FIELD(snd_cwnd),
	FIELD(advmss),
	FIELD(reordering),
	FIELD(rcv_rtt),
	FIELD(rcv_space),
	FIELD(total_retrans),
	FIELD(pacing_rate),
	FIELD(max_pacing_rate),
	FIELD(bytes_acked),
	FIELD(bytes_received),
	FIELD(segs_out),
	FIELD(segs_in),
	FIELD(notsent_bytes),
	FIELD(min_rtt),
	FIELD(data_segs_in),
	FIELD(data_segs_out),
	FIELD(delivery_rate),
	FIELD(busy_time),
	FIELD(rwnd_limited),
	FIELD(sndbuf_limited),
	FIELD(delivered),
	FIELD(delivered_ce),
	FIELD(bytes_sent),
	FIELD(bytes_retrans),
	FIELD(dsack_dups),
	FIELD(reord_seen),
	FIELD(rcv_ooopack),
	FIELD(snd_wnd),
	/* Younger than the headers that this has to be built with: Linux 6.2 and 6.7. */
	{ "rcv_wnd", 232, 4, 0, 0 },
	{ "rehash", 236, 4, 0, 0 },
	{ "total_rto", 240, 2, 0, 0 },
	{ "total_rto_recoveries", 242, 2, 0, 0 },
	{ "total_rto_time", 244, 4, 0, 0 },
#undef FIELD
#undef LOW_BITS
};

static uint64_t read_field(const uint8_t *bytes, const struct info_field *field)
{
	uint64_t wide;
	uint32_t word;
	uint16_t half;

	switch (field->size) {
	case 8:
		memcpy(&wide, bytes + field->offset, sizeof(wide));
		return wide;
	case 4:
		memcpy(&word, bytes + field->offset, sizeof(word));
		return word;
	case 2:
		memcpy(&half, bytes + field->offset, sizeof(half));
		return half;
	default:
		if (field->bits == 0)
			return bytes[field->offset];
		return (unsigned)bytes[field->offset] >> field->shift & ((1u << field->bits) - 1);
	}
}

void push_tcp_info(lua_State *L, const uint8_t *bytes, size_t length)
{
	lua_createtable(L, 0, (int)(sizeof(tcp_fields) / sizeof(*tcp_fields)));
	for (size_t i = 0; i < sizeof(tcp_fields) / sizeof(*tcp_fields); i++) {
		const struct info_field *field = &tcp_fields[i];

		uint64_t value;

		if ((size_t)field->offset + field->size > length)
			continue;
		value = read_field(bytes, field);
		/* All ones: a rate without a limit. */
		if (value > INT64_MAX)
			continue;
		lua_pushinteger(L, (lua_Integer)value);
		lua_setfield(L, -2, field->name);
	}
}

void push_mem_info(lua_State *L, const uint32_t values[9])
{
	static const char *const names[] = {
		[SK_MEMINFO_RMEM_ALLOC] = "rmem_alloc", [SK_MEMINFO_RCVBUF] = "rcvbuf",
		[SK_MEMINFO_WMEM_ALLOC] = "wmem_alloc", [SK_MEMINFO_SNDBUF] = "sndbuf",
		[SK_MEMINFO_FWD_ALLOC] = "fwd_alloc",   [SK_MEMINFO_WMEM_QUEUED] = "wmem_queued",
		[SK_MEMINFO_OPTMEM] = "optmem",         [SK_MEMINFO_BACKLOG] = "backlog",
		[SK_MEMINFO_DROPS] = "drops",
	};

	lua_createtable(L, 0, 9);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		lua_pushinteger(L, values[i]);
		lua_setfield(L, -2, names[i]);
	}
}
