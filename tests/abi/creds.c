/*
 * Users, groups and rights: credentials(7), capabilities(7), set-user-id programs, prctl(2). What only
 * root can try is tried in a child, whose status is the step that went wrong; for others it is 0.
 */
#include "tap.h"
#include <fcntl.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define USER  1234
#define OTHER 1235

static char dir[64], self[256], file[80], prog[80];

static int status_of(int (*f)(void))
{
	int status;
	pid_t pid = must(fork());

	if (!pid)
		_exit(f());
	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A child that only root can be. */
#define as_root(f, what) \
	({ \
		int _s = geteuid() ? 0 : status_of(f); \
		if (_s) \
			printf("# step %d\n", _s); \
		ok(!_s, what); \
	})

#define step(n, cond) \
	do { \
		if (!(cond)) \
			return n; \
	} while (0)

/* This program again, as @how; the status is what it says. */
static int run(const char *path, const char *how)
{
	execl(path, path, how, (char *)NULL);
	return 120;
}

static int copy_program(void)
{
	char buf[4096];
	ssize_t n;
	int in = must(open(self, O_RDONLY)), out = must(open(prog, O_WRONLY | O_CREAT, 0755));

	while ((n = read(in, buf, sizeof(buf))) > 0)
		must(write(out, buf, (size_t)n));
	close(in);
	return close(out);
}

static bool status_line(const char *want)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, want);
}

/* ---- groups ---- */

static const gid_t three[3] = {30, 10, 20};

static bool has_three(void)
{
	gid_t got[4];

	return getgroups(0, NULL) == 3 && getgroups(4, got) == 3 && got[0] == 10 && got[1] == 20 &&
	       got[2] == 30;
}

static int groups_child(void)
{
	static gid_t many[65537];
	gid_t none = (gid_t)-1, got[2];
	int status;

	step(1, !syscall(SYS_setgroups, 3, three) && has_three());
	step(2, getgroups(2, got) == -1 && errno == EINVAL);
	step(3, syscall(SYS_setgroups, 65537, many) == -1 && errno == EINVAL);
	step(4, syscall(SYS_setgroups, -1, many) == -1 && errno == EINVAL);
	step(5, syscall(SYS_setgroups, 2, (void *)8) == -1 && errno == EFAULT);
	step(6, syscall(SYS_setgroups, 1, &none) == -1 && errno == EINVAL);
	step(7, has_three() && status_line("\nGroups:\t10 20 30 \n"));
	if (!fork())
		_exit(!has_three() ? 1 : run(self, "three"));
	step(8, wait(&status) > 0 && !status);
	for (int i = 0; i < 65536; i++)
		many[i] = (gid_t)((i * 40503u + 7) % 65536);
	step(9, !syscall(SYS_setgroups, 65536, many) && getgroups(65537, many) == 65536);
	for (gid_t i = 0; i < 65536; i++)
		step(10, many[i] == i);
	step(11, !syscall(SYS_setgroups, 0, NULL) && getgroups(0, NULL) == 0);
	step(12, status_line("\nGroups:\t \n"));
	return 0;
}

static int refused_child(void)
{
	if (!geteuid() && setuid(USER))
		return 1;
	step(2, syscall(SYS_setgroups, 0, NULL) == -1 && errno == EPERM);
	step(3, syscall(SYS_setgroups, 1 << 20, NULL) == -1 && errno == EPERM);
	return 0;
}

/* Who is in group 20, as one that is not his own. */
static int member_child(void)
{
	struct stat st;
	int fd;

	step(1, !chown(file, 0, 20) && !chmod(file, 0640));
	step(2, !setgroups(3, three) && !setgid(USER) && !setuid(USER));
	fd = open(file, O_RDONLY);
	step(3, fd >= 0 && !close(fd));
	step(4, open(file, O_RDWR) == -1 && errno == EACCES);
	step(5, !access(file, R_OK) && access(file, W_OK) == -1 && errno == EACCES);
	fd = open(prog, O_CREAT | O_EXCL | O_WRONLY, 0755);
	step(6, fd >= 0 && !close(fd));
	step(7, !chown(prog, -1, 20) && !chown(prog, USER, 30));
	step(8, chown(prog, -1, 21) == -1 && errno == EPERM);
	step(9, chown(prog, OTHER, -1) == -1 && errno == EPERM);
	step(10, !chmod(prog, 02755) && !stat(prog, &st) && (st.st_mode & 07777) == 02755);
	return unlink(prog);
}

static int stranger_child(void)
{
	struct stat st;
	char made[96];
	int fd;

	step(1, !chmod(file, 0604) && !chown(dir, 0, 21) && !chmod(dir, 02777));
	step(2, !setgroups(3, three) && !setgid(USER) && !setuid(USER));
	step(3, open(file, O_RDONLY) == -1 && errno == EACCES); /* the group counts, not others */
	snprintf(made, sizeof(made), "%s/made", dir);
	fd = open(made, O_CREAT | O_EXCL | O_WRONLY, 02755);
	step(4, fd >= 0 && !fstat(fd, &st) && st.st_gid == 21 && (st.st_mode & 07777) == 0755);
	step(5, !chmod(made, 02755) && !fstat(fd, &st) && (st.st_mode & 07777) == 0755);
	close(fd);
	step(6, !mkdir(prog, 0755) && !stat(prog, &st) && st.st_gid == 21);
	step(7, (st.st_mode & 07777) == 02755 && !rmdir(prog));
	return unlink(made);
}

static void test_groups(void)
{
	fails(getgroups(-1, NULL), EINVAL);
	ok(getgroups(0, NULL) >= 0, "getgroups counts");
	ok(status_of(refused_child) == 0, "setgroups is for root");
	as_root(groups_child, "setgroups, getgroups, fork, exec, /proc/self/status");
	as_root(member_child, "a member of a group");
	as_root(stranger_child, "who is in another");
}

/* ---- user ids ---- */

static int ids_child(void)
{
	uid_t r, e, s;

	step(1, !setresuid(1000, 1001, 1002) && !getresuid(&r, &e, &s));
	step(2, r == 1000 && e == 1001 && s == 1002);
	step(3, syscall(SYS_setreuid, 1002, -1) == -1 && errno == EPERM); /* not the saved one */
	step(4, setuid(1001) == -1 && errno == EPERM);
	step(5, !setreuid(-1, 1002) && geteuid() == 1002 && !getresuid(&r, &e, &s));
	step(6, r == 1000 && s == 1002);
	step(7, setresuid(-1, 0, -1) == -1 && errno == EPERM);
	step(8, !setreuid(1002, 1000) && !getresuid(&r, &e, &s) && r == 1002 && s == 1000);
	return 0;
}

static int fsuid_child(void)
{
	int fd;

	step(1, !chmod(file, 0600) && setfsuid(USER) == 0 && setfsuid(-1) == USER);
	step(2, open(file, O_RDONLY) == -1 && errno == EACCES && geteuid() == 0);
	step(3, setfsgid(USER) == 0 && setfsgid(-1) == USER);
	step(4, status_line("\nUid:\t0\t0\t0\t1234\nGid:\t0\t0\t0\t1234\n"));
	step(5, setfsuid(0) == USER && setfsuid(-1) == 0);
	fd = open(file, O_RDONLY);
	step(6, fd >= 0 && !close(fd));
	step(7, !seteuid(USER) && setfsuid(-1) == USER); /* it follows the effective one */
	setfsuid(OTHER);
	step(8, setfsuid(-1) == USER); /* he may not */
	return 0;
}

static int access_child(void)
{
	step(1, !chmod(file, 0600) && !setresuid(USER, 0, 0));
	step(2, access(file, R_OK) == -1 && errno == EACCES);
	step(3, !faccessat(AT_FDCWD, file, R_OK, AT_EACCESS));
	step(4, !setresuid(0, USER, 0) && !access(file, R_OK));
	step(5, faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == -1 && errno == EACCES);
	return 0;
}

static void test_ids(void)
{
	fails(setuid(-1), EINVAL);
	fails(setgid(-1), EINVAL);
	ok(setresuid(-1, -1, -1) == 0 && setresgid(-1, -1, -1) == 0, "nothing changes");
	ok(setfsuid(-1) == (int)geteuid() && setfsgid(-1) == (int)getegid(), "setfsuid asks");
	as_root(ids_child, "three ids");
	as_root(fsuid_child, "the fourth");
	as_root(access_child, "access by real and by effective id");
}

/* ---- programs with S_ISUID, S_ISGID ---- */

static int told(void)
{
	uid_t r, e, s;

	step(1, !getresuid(&r, &e, &s) && r == 1000 && e == USER && s == USER);
	step(2, getgid() == 1000 && getegid() == OTHER && setfsuid(-1) == USER);
	step(3, getauxval(AT_SECURE) == 1 && getauxval(AT_EUID) == USER);
	step(4, getauxval(AT_UID) == 1000 && getauxval(AT_EGID) == OTHER);
	step(5, prctl(PR_GET_DUMPABLE) != 1);
	return setuid(1000) || geteuid() != 1000;
}

static int plain(void)
{
	step(1, getuid() == 1000 && geteuid() == 1000 && getegid() == 1000);
	step(2, getauxval(AT_SECURE) == 0 && prctl(PR_GET_DUMPABLE) == 1);
	return 0;
}

static int become_1000(void)
{
	return setgid(1000) || setuid(1000);
}

static int setid_child(void)
{
	step(11, !chown(prog, USER, OTHER) && !chmod(prog, 06755) && !become_1000());
	return run(prog, "told");
}

static int nnp_child(void)
{
	step(11, !become_1000() && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return run(prog, "plain");
}

/* S_ISGID without x for the group is not for running. */
static int lock_child(void)
{
	step(11, !chmod(prog, 02745) && !become_1000());
	return run(prog, "plain");
}

/* Root's own, run by root: nothing new, so nothing to be careful about. */
static int root_child(void)
{
	step(11, !chown(prog, 0, 0) && !chmod(prog, 06755));
	return run(prog, "insecure");
}

/* Chown takes the bits away; writing as somebody else does, too. */
static int bits_child(void)
{
	struct stat st;
	int fd;

	step(1, !chmod(prog, 06775) && !chown(prog, 0, 0));
	step(2, !stat(prog, &st) && (st.st_mode & 07777) == 0775);
	step(3, !chmod(prog, 06777) && !become_1000());
	fd = open(prog, O_WRONLY);
	step(4, write(fd, "\177", 1) == 1 && !fstat(fd, &st) && (st.st_mode & 07777) == 0777);
	return 0;
}

static void test_setid(void)
{
	must(copy_program());
	as_root(setid_child, "a set-user-id and set-group-id program");
	as_root(nnp_child, "not with no_new_privs");
	as_root(lock_child, "S_ISGID without x");
	as_root(root_child, "root's own");
	as_root(bits_child, "the bits go");
	unlink(prog);
}

/* ---- capabilities ---- */

struct header {
	uint32_t version;
	int pid;
};

struct caps {
	uint32_t effective, permitted, inheritable;
};

static int caps_get(struct caps c[2])
{
	return (int)syscall(SYS_capget, &(struct header){0x20080522, 0}, c);
}

static int caps_set(struct caps c[2])
{
	return (int)syscall(SYS_capset, &(struct header){0x20080522, 0}, c);
}

static bool no_caps(void)
{
	struct caps c[2];

	return !caps_get(c) && !c[0].effective && !c[1].effective && !c[0].permitted &&
	       !c[1].permitted;
}

static int drop_child(void)
{
	struct caps all[2], c[2];

	step(1, !caps_get(all) && (all[0].effective & 1) && (all[0].permitted & 1));
	step(2, !seteuid(USER) && !caps_get(c) && !c[0].effective && !c[1].effective);
	step(3, c[0].permitted == all[0].permitted);
	step(4, !seteuid(0) && !caps_get(c) && c[0].effective == all[0].effective);
	step(5, !setuid(USER) && no_caps());
	step(6, status_line("\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"));
	step(7, caps_set(all) == -1 && errno == EPERM);
	return 0;
}

static int keep_child(void)
{
	struct caps c[2];

	step(1, !prctl(PR_SET_KEEPCAPS, 1) && prctl(PR_GET_KEEPCAPS) == 1);
	step(2, prctl(PR_GET_SECUREBITS) == 0x10 && !setuid(USER));
	step(3, !caps_get(c) && !c[0].effective && (c[0].permitted & 1));
	step(4, chown(file, OTHER, -1) == -1 && errno == EPERM);
	c[0].effective = c[0].permitted = 1; /* CAP_CHOWN */
	c[1].permitted = 0;
	step(5, !caps_set(c) && !chown(file, OTHER, -1) && !chown(file, 0, 0));
	c[0].permitted = 3;
	step(6, caps_set(c) == -1 && errno == EPERM);
	c[0].permitted = 0;
	step(7, caps_set(c) == -1 && errno == EPERM); /* effective, but not permitted */
	return run(self, "nocaps");
}

/* Root without a right is refused. */
static int weak_child(void)
{
	struct caps c[2];

	step(1, !caps_get(c));
	c[0].effective &= ~0x82u; /* CAP_DAC_OVERRIDE, CAP_SETUID */
	step(2, !caps_set(c) && !chmod(file, 0600) && !chown(file, USER, USER));
	step(3, setuid(USER) == -1 && errno == EPERM);
	step(4, open(file, O_WRONLY) == -1 && errno == EACCES);
	return chown(file, 0, 0);
}

static int dead_pid(void)
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(0);
	must(waitpid(pid, NULL, 0));
	return pid;
}

static void test_caps(void)
{
	struct header h = {0x12345678, 0};
	struct caps c[2];

	fails(syscall(SYS_capget, &h, c), EINVAL);
	ok(h.version == 0x20080522, "it tells the newest version");
	h.version = 1;
	ok(syscall(SYS_capget, &h, NULL) == 0 && h.version == 0x20080522, "asked for that alone");
	fails(syscall(SYS_capget, &(struct header){0x20080522, -1}, c), EINVAL);
	fails(syscall(SYS_capget, &(struct header){0x20080522, dead_pid()}, c), ESRCH);
	fails(syscall(SYS_capget, NULL, c), EFAULT);
	fails(syscall(SYS_capget, &h, (void *)8), EFAULT);
	fails(syscall(SYS_capset, &(struct header){0x20080522, getppid()}, c), EPERM);
	ok(!caps_get(c) && caps_set(c) == 0, "one may keep what one has");
	as_root(drop_child, "who stops being root loses them");
	as_root(keep_child, "PR_SET_KEEPCAPS");
	as_root(weak_child, "root without");
}

/* ---- prctl ---- */

static int orphan_child(void)
{
	int p[2], status;
	char c;

	step(1, !prctl(PR_SET_CHILD_SUBREAPER, 1) && !pipe(p));
	if (!fork()) {
		if (!fork()) {
			close(p[1]);
			read(p[0], &c, 1); /* until the parent and the reaper have closed it */
			_exit(77);
		}
		_exit(7);
	}
	step(2, wait(&status) > 0 && WEXITSTATUS(status) == 7);
	close(p[0]);
	close(p[1]);
	step(3, wait(&status) > 0 && WEXITSTATUS(status) == 77); /* now it is ours */
	step(4, wait(&status) == -1 && errno == ECHILD);
	return 0;
}

/* Another user has no signal ordered, and what it knows is nobody else's business. */
static int other_child(void)
{
	int sig = -1;

	step(1, !prctl(PR_SET_PDEATHSIG, SIGUSR1) && !prctl(PR_SET_DUMPABLE, 1));
	step(2, !setuid(USER) && prctl(PR_GET_DUMPABLE) != 1);
	step(3, !prctl(PR_GET_PDEATHSIG, &sig) && sig == 0);
	step(4, !prctl(PR_SET_DUMPABLE, 1) && prctl(PR_GET_DUMPABLE) == 1);
	return 0;
}

static int inherit_child(void)
{
	step(1, !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	step(2, !prctl(PR_SET_PDEATHSIG, SIGUSR1) && !prctl(PR_SET_KEEPCAPS, 1));
	step(3, status_line("\nNoNewPrivs:\t1\n"));
	return run(self, "inherit");
}

static int inherited(void)
{
	int sig = 0;

	step(11, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	step(12, !prctl(PR_GET_PDEATHSIG, &sig) && sig == SIGUSR1); /* kept over exec */
	step(13, prctl(PR_GET_KEEPCAPS) == 0);                      /* this one is not */
	if (!fork())
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
		      !prctl(PR_GET_PDEATHSIG, &sig) && sig == 0);
	step(14, wait(&sig) > 0 && WEXITSTATUS(sig) == 1);
	return 0;
}

static void test_prctl(void)
{
	char name[16];
	int on = -1;

	ok(!prctl(PR_SET_NAME, "a name that is too long") && !prctl(PR_GET_NAME, name) &&
		   !strcmp(name, "a name that is "),
	   "a name, cut");
	fails(prctl(PR_SET_NAME, 8), EFAULT);
	fails(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	fails(prctl(PR_SET_DUMPABLE, 3), EINVAL);
	ok(prctl(PR_GET_DUMPABLE) == 1 && !prctl(PR_SET_DUMPABLE, 0) &&
		   prctl(PR_GET_DUMPABLE) == 0 && !prctl(PR_SET_DUMPABLE, 1),
	   "dumpable");
	ok(prctl(PR_GET_SECUREBITS) == 0 && prctl(PR_GET_KEEPCAPS) == 0, "securebits");
	ok(prctl(PR_CAPBSET_READ, 0) >= 0, "PR_CAPBSET_READ");
	fails(prctl(PR_CAPBSET_READ, 99), EINVAL);
	fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	fails(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	fails(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
	ok(!prctl(PR_GET_CHILD_SUBREAPER, &on) && on == 0, "not a subreaper");
	ok(status_of(orphan_child) == 0, "a subreaper gets the orphans below it");
	ok(status_of(inherit_child) == 0, "no_new_privs is kept");
	as_root(other_child, "another user");
	fails(prctl(12345), EINVAL);
}

int main(int argc, char **argv)
{
	must(readlink("/proc/self/exe", self, sizeof(self) - 1));
	if (argc > 1)
		return !strcmp(argv[1], "three")     ? !has_three()
		       : !strcmp(argv[1], "told")    ? told()
		       : !strcmp(argv[1], "plain")   ? plain()
		       : !strcmp(argv[1], "nocaps")  ? !no_caps()
		       : !strcmp(argv[1], "inherit") ? inherited()
						     : getauxval(AT_SECURE) != 0;
	umask(0);
	strcpy(dir, "/tmp/credsXXXXXX");
	must(mkdtemp(dir) ? 0 : -1);
	must(chmod(dir, 0777));
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(prog, sizeof(prog), "%s/prog", dir);
	close(must(open(file, O_CREAT | O_WRONLY, 0600)));
	test_groups();
	test_ids();
	test_setid();
	test_caps();
	test_prctl();
	unlink(file);
	rmdir(dir);
	return tap_done();
}
