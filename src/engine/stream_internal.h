/* What the stream and its TLS share. */
#ifndef ENGINE_STREAM_INTERNAL_H
#define ENGINE_STREAM_INTERNAL_H

#include "porthole/stream.h"

struct tls;

struct ph_stream {
	int fd;
	bool datagram, connected;
	short wants; /* POLLIN, POLLOUT */
	struct ph_host host; /* the other end, for messages */
	uint16_t port;
	char *buffer; /* owned: what was received */
	size_t start, length, capacity;
	struct tls *tls; /* owned; NULL: none */
};

/* The socket itself, past TLS. As ph_stream_send() and read(2). */
ssize_t stream_write(struct ph_stream *stream, const void *bytes, size_t length);
ssize_t stream_read(struct ph_stream *stream, void *bytes, size_t size);

int tls_open(struct ph_stream *stream, const char *name, const char *alpn, struct ph_error *error);
int tls_handshake(struct ph_stream *stream, struct ph_error *error);
ssize_t tls_send(struct ph_stream *stream, const void *bytes, size_t length,
                 struct ph_error *error);
int tls_flush(struct ph_stream *stream, struct ph_error *error);
ssize_t tls_receive(struct ph_stream *stream, void *bytes, size_t size, struct ph_error *error);
int tls_info(const struct ph_stream *stream, struct ph_tls_info *info, struct ph_error *error);
void tls_close(struct ph_stream *stream);

#endif
