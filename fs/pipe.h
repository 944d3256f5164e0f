/* Pipes and FIFOs. See fs/pipe.c. */
#pragma once

#include "fs/file.h"

/* Of FIFO inodes; open() waits for the other side as fifo(7) says, with no lock held. */
extern const struct file_operations fifo_fops;

/*
 * fcntl(2) F_GETPIPE_SZ and F_SETPIPE_SZ, in bytes: the capacity, or -EBADF (not a pipe), -EINVAL,
 * -EPERM (more than a user may have), -EBUSY (it holds more), -ENOMEM. Process context.
 */
long pipe_fcntl(struct file *file, int cmd, u64 arg);
