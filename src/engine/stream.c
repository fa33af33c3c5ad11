/*
 * Streams: sockets that never block, with a buffer for what was received. Every wait is the
 * caller's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/stream_internal.h"

static int fail_stream(const struct ph_stream *stream, int code, const char *doing,
                       struct ph_error *error)
{
	char text[PH_HOST_TEXT_BYTES];

	return ph_fail(error, code, "%s %s port %u: %s", doing, ph_host_format(&stream->host, text),
	               stream->port, strerror(-code));
}

static int new_stream(const struct ph_host *host, uint16_t port, bool datagram,
                      struct ph_stream **result, struct ph_error *error)
{
	struct ph_stream *stream = calloc(1, sizeof(*stream));

	*result = NULL;
	if (stream == NULL)
		return ph_fail(error, -ENOMEM, "making a connection: out of memory");
	stream->host = *host;
	stream->port = port;
	stream->datagram = datagram;
	stream->fd =
		socket(host->family,
	               (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (stream->fd < 0) {
		int code = -errno;

		free(stream);
		return ph_fail(error, code, "making a socket: %s", strerror(-code));
	}
	*result = stream;
	return 0;
}

/* Linux connects a socket to itself where the port that it chose happens to be the one asked for.
 */
static bool is_itself(const struct ph_stream *stream)
{
	struct ph_host own = { 0 }, peer = { 0 };
	uint16_t own_port = 0, peer_port = 0;

	return ph_stream_sock(stream, &own, &own_port, NULL) == 0 &&
	       ph_stream_peer(stream, &peer, &peer_port, NULL) == 0 && own_port == peer_port &&
	       ph_host_equal(&own, &peer);
}

int ph_stream_open(const struct ph_host *host, uint16_t port, bool datagram,
                   struct ph_stream **stream, struct ph_error *error)
{
	int r = new_stream(host, port, datagram, stream, error);

	if (r < 0 || *stream == NULL)
		return r;
	r = ph_stream_connect(*stream, error);
	if (r < 0 && r != -EAGAIN) {
		ph_stream_close(*stream);
		*stream = NULL;
		return r;
	}
	return 0;
}

int ph_stream_connect(struct ph_stream *stream, struct ph_error *error)
{
	struct sockaddr_storage address;
	socklen_t length = ph_host_sockaddr(&stream->host, stream->port, &address);

	if (stream->connected)
		return 0;
	if (connect(stream->fd, (struct sockaddr *)&address, length) < 0 && errno != EISCONN) {
		if (errno == EINPROGRESS || errno == EALREADY) {
			stream->wants = POLLOUT;
			return -EAGAIN;
		}
		return fail_stream(stream, -errno, "connecting to", error);
	}
	if (is_itself(stream))
		return fail_stream(stream, -ECONNREFUSED, "connecting to", error);
	stream->connected = true;
	return 0;
}

int ph_stream_listen(const struct ph_host *host, uint16_t port, int backlog,
                     struct ph_stream **result, struct ph_error *error)
{
	struct sockaddr_storage address;
	socklen_t length = ph_host_sockaddr(host, port, &address);
	struct ph_stream *stream;
	int one = 1, r;

	r = new_stream(host, port, false, result, error);
	stream = *result;
	if (r < 0 || stream == NULL)
		return r;
	/* Past connections may still be in TIME_WAIT; a living listener is not shared with. */
	(void)setsockopt(stream->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(stream->fd, (struct sockaddr *)&address, length) < 0 ||
	    listen(stream->fd, backlog) < 0) {
		r = fail_stream(stream, -errno, "listening on", error);
		ph_stream_close(stream);
		*result = NULL;
	}
	return r;
}

int ph_stream_accept(struct ph_stream *server, struct ph_stream **result, struct ph_error *error)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	struct ph_stream *stream;
	int fd;

	*result = NULL;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return ph_fail(error, -ENOMEM, "accepting: out of memory");
	do {
		fd = accept4(server->fd, (struct sockaddr *)&address, &length,
		             SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0) {
		int code = errno == EAGAIN ? -EAGAIN : -errno;

		free(stream);
		server->wants = POLLIN;
		return code == -EAGAIN ? code : fail_stream(server, code, "accepting on", error);
	}
	stream->fd = fd;
	stream->connected = true;
	(void)ph_host_from((struct sockaddr *)&address, &stream->host, &stream->port);
	*result = stream;
	return 0;
}

ssize_t stream_write(struct ph_stream *stream, const void *bytes, size_t length)
{
	ssize_t sent;

	do {
		sent = send(stream->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	stream->wants = POLLOUT;
	return -errno;
}

ssize_t stream_read(struct ph_stream *stream, void *bytes, size_t size)
{
	ssize_t got;

	do {
		got = recv(stream->fd, bytes, size, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	stream->wants = POLLIN;
	return -errno;
}

ssize_t ph_stream_send(struct ph_stream *stream, const void *bytes, size_t length,
                       struct ph_error *error)
{
	ssize_t sent;

	if (stream->tls != NULL)
		return tls_send(stream, bytes, length, error);
	sent = stream_write(stream, bytes, length);
	if (sent < 0 && sent != -EAGAIN)
		return fail_stream(stream, (int)sent, "sending to", error);
	return sent;
}

int ph_stream_flush(struct ph_stream *stream, struct ph_error *error)
{
	return stream->tls != NULL ? tls_flush(stream, error) : 0;
}

/* Room for `more` bytes behind what is there. */
static int make_room(struct ph_stream *stream, size_t more)
{
	size_t capacity = stream->capacity ? stream->capacity : 4096;
	char *larger;

	if (stream->start > 0) {
		memmove(stream->buffer, stream->buffer + stream->start, stream->length);
		stream->start = 0;
	}
	while (capacity < stream->length + more)
		capacity *= 2;
	if (capacity == stream->capacity)
		return 0;
	larger = realloc(stream->buffer, capacity);
	if (larger == NULL)
		return -ENOMEM;
	stream->buffer = larger;
	stream->capacity = capacity;
	return 0;
}

ssize_t ph_stream_receive(struct ph_stream *stream, size_t most, struct ph_error *error)
{
	/* One read at a time; a datagram is never larger. */
	size_t size = stream->datagram || most > 65536 ? 65536 : most;
	ssize_t got;
	char *end;

	if (stream->start + stream->length + size > stream->capacity && make_room(stream, size) < 0)
		return ph_fail(error, -ENOMEM, "receiving: out of memory");
	end = stream->buffer + stream->start + stream->length;
	if (stream->tls != NULL) {
		got = tls_receive(stream, end, size, error);
	} else {
		got = stream_read(stream, end, size);
		if (got < 0 && got != -EAGAIN)
			return fail_stream(stream, (int)got, "receiving from", error);
	}
	if (got > 0)
		stream->length += (size_t)got;
	return got;
}

const char *ph_stream_received(const struct ph_stream *stream, size_t *length)
{
	*length = stream->length;
	return stream->buffer != NULL ? stream->buffer + stream->start : "";
}

void ph_stream_drop(struct ph_stream *stream, size_t length)
{
	stream->start += length;
	stream->length -= length;
	if (stream->length == 0)
		stream->start = 0;
}

short ph_stream_wants(const struct ph_stream *stream)
{
	return stream->wants;
}

int ph_stream_fd(const struct ph_stream *stream)
{
	return stream->fd;
}

static int end_of(int (*ask)(int, struct sockaddr *, socklen_t *), const struct ph_stream *stream,
                  struct ph_host *host, uint16_t *port, struct ph_error *error)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	int r;

	if (ask(stream->fd, (struct sockaddr *)&address, &length) < 0)
		return ph_fail(error, -errno, "asking for a socket's address: %s", strerror(errno));
	r = ph_host_from((struct sockaddr *)&address, host, port);
	return r < 0 ? ph_fail(error, r, "asking for a socket's address: %s", strerror(-r)) : 0;
}

int ph_stream_peer(const struct ph_stream *stream, struct ph_host *host, uint16_t *port,
                   struct ph_error *error)
{
	return end_of(getpeername, stream, host, port, error);
}

int ph_stream_sock(const struct ph_stream *stream, struct ph_host *host, uint16_t *port,
                   struct ph_error *error)
{
	return end_of(getsockname, stream, host, port, error);
}

int ph_stream_starttls(struct ph_stream *stream, const char *name, const char *alpn,
                       struct ph_error *error)
{
	int r = 0;

	if (stream->datagram)
		return ph_fail(error, -EOPNOTSUPP, "TLS needs a TCP connection");
	if (stream->tls == NULL)
		r = tls_open(stream, name, alpn, error);
	return r < 0 ? r : tls_handshake(stream, error);
}

bool ph_stream_is_tls(const struct ph_stream *stream)
{
	return stream->tls != NULL;
}

int ph_stream_tls_info(const struct ph_stream *stream, struct ph_tls_info *info,
                       struct ph_error *error)
{
	*info = (struct ph_tls_info){ 0 };
	if (stream->tls == NULL)
		return ph_fail(error, -ENOTCONN, "this connection has no TLS");
	return tls_info(stream, info, error);
}

void ph_tls_info_free(struct ph_tls_info *info)
{
	free(info->subject);
	for (size_t i = 0; i < info->name_count; i++)
		free(info->names[i]);
	free(info->names);
	*info = (struct ph_tls_info){ 0 };
}

void ph_stream_close(struct ph_stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->tls != NULL)
		tls_close(stream);
	if (stream->fd >= 0)
		close(stream->fd);
	free(stream->buffer);
	free(stream);
}
