/*
 * Streams: one connection for scripts. Nothing here blocks: what cannot be done at once returns
 * -EAGAIN, and ph_stream_wants() says what to wait for, so that a scheduler can do something else
 * meanwhile. TLS comes from OpenSSL's libssl, loaded when it is first used. Sources: tcp(7),
 * udp(7), SSL_connect(3), RFC 8446, RFC 7301 (ALPN).
 */
#ifndef PORTHOLE_STREAM_H
#define PORTHOLE_STREAM_H

#include <sys/types.h>

#include "porthole/scope.h"

struct ph_stream;

/*
 * Begins to connect; ph_stream_connect() ends it. The caller has checked the scope. Returns 0 with
 * a stream that ph_stream_close() releases, or -errno with `error` filled.
 */
int ph_stream_open(const struct ph_host *host, uint16_t port, bool datagram,
                   struct ph_stream **stream, struct ph_error *error);
/* 0 once it is connected, -EAGAIN, or another -errno with `error` filled: -ECONNREFUSED, ... */
int ph_stream_connect(struct ph_stream *stream, struct ph_error *error);

/*
 * Listens on an address of this host; port 0: any. The port is never shared. Returns 0, or -errno
 * with `error` filled: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL.
 */
int ph_stream_listen(const struct ph_host *host, uint16_t port, int backlog,
                     struct ph_stream **stream, struct ph_error *error);
/* 0 with a stream of the caller's, -EAGAIN, or another -errno with `error` filled. */
int ph_stream_accept(struct ph_stream *server, struct ph_stream **stream, struct ph_error *error);

/* How many bytes went (of a datagram: all), -EAGAIN, or another -errno with `error` filled. */
ssize_t ph_stream_send(struct ph_stream *stream, const void *bytes, size_t length,
                       struct ph_error *error);
/* Of TLS, which keeps what could not go: 0 when all is gone, -EAGAIN, or another -errno. */
int ph_stream_flush(struct ph_stream *stream, struct ph_error *error);

/*
 * Receives up to `most` more bytes into the stream's own buffer (of a datagram: one). How many
 * came; 0 at the end of the stream; -EAGAIN; or another -errno with `error` filled.
 */
ssize_t ph_stream_receive(struct ph_stream *stream, size_t most, struct ph_error *error);
/* What was received and not dropped yet. Borrowed until the next call. */
const char *ph_stream_received(const struct ph_stream *stream, size_t *length);
void ph_stream_drop(struct ph_stream *stream, size_t length);

/* POLLIN, POLLOUT: what the last -EAGAIN waits for. */
short ph_stream_wants(const struct ph_stream *stream);
int ph_stream_fd(const struct ph_stream *stream);
/* Either end. 0, or -errno with `error` filled. */
int ph_stream_peer(const struct ph_stream *stream, struct ph_host *host, uint16_t *port,
                   struct ph_error *error);
int ph_stream_sock(const struct ph_stream *stream, struct ph_host *host, uint16_t *port,
                   struct ph_error *error);

/* What the other end showed in a TLS handshake. Certificates are shown, not verified. */
struct ph_tls_info {
	char version[16]; /* "TLSv1.3" */
	char alpn[256]; /* empty: none was agreed */
	char *subject; /* owned; as RFC 2253 writes it; bytes; NULL: no certificate */
	char **names; /* owned; DNS names and IP addresses it is for; bytes */
	size_t name_count;
	int64_t not_after; /* seconds since the epoch; 0: unknown */
	bool self_signed;
};

/*
 * Makes a TLS client of a connected stream, step by step. `name`: the server's, for SNI, or NULL;
 * `alpn`: protocols with commas, or NULL. 0 once it is done, -EAGAIN, or another -errno with
 * `error` filled: -ENOSYS (no libssl on this host), -EPROTO (the other end speaks no TLS), ...
 */
int ph_stream_starttls(struct ph_stream *stream, const char *name, const char *alpn,
                       struct ph_error *error);
bool ph_stream_is_tls(const struct ph_stream *stream);
/* 0, or -ENOTCONN or -ENOMEM with `error` filled. ph_tls_info_free() releases it. */
int ph_stream_tls_info(const struct ph_stream *stream, struct ph_tls_info *info,
                       struct ph_error *error);
void ph_tls_info_free(struct ph_tls_info *info);

/* Closes at once, with a close notify where TLS is on; NULL is passed over. */
void ph_stream_close(struct ph_stream *stream);

#endif
