/*
 * as_user UID PROGRAM [ARGUMENT ...]: runs a program as a user who has no rights but everybody's. Who is
 * not root already stays who he is.
 *
 * The program is opened first: the user need not be able to reach the folder that it is in.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
	uid_t id;
	int fd;

	if (argc < 3)
		return 127;
	id = (uid_t)atol(argv[1]);
	fd = open(argv[2], O_PATH | O_CLOEXEC);
	if (fd < 0 || (!geteuid() &&
		       (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id)))) {
		perror(argv[2]);
		return 127;
	}
	syscall(SYS_execveat, fd, "", argv + 2, envp, AT_EMPTY_PATH);
	perror(argv[2]);
	return 127;
}
