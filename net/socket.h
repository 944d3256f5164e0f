/* Sockets as files: what socket.c (system calls) and sockfs.c (the file system) share. */
#pragma once

#include "fs/file.h"
#include "net/sock.h"

/* The file of @sk, which may be NULL until accept(2) has found one. ERR_PTR(-ENFILE, -ENOMEM). */
struct file *sock_alloc_file(struct sock *sk, u32 flags);
/* Makes @sk the socket of a file that was made without one. */
void sock_attach(struct file *file, struct sock *sk);
/* The MSG_* of a call on @file: O_NONBLOCK becomes MSG_DONTWAIT. */
static inline unsigned sock_msg_flags(const struct file *file, unsigned flags)
{
	return file->f_flags & O_NONBLOCK ? flags | MSG_DONTWAIT : flags;
}
/* The socket of a file, or NULL if it is another kind of file. */
struct sock *sock_from_file(const struct file *file);
